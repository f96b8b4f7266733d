#ifndef SOCKSCOPE_MEMORY_H_
#define SOCKSCOPE_MEMORY_H_

#include <stdlib.h>

#include <new>
#include <utility>

// Objects over malloc that may fail to be made: `new` ends the process when memory is short
// (runtime.cc).

namespace sockscope {

// Null if memory is short.
template <typename T, typename... Args>
T* Create(Args&&... args) {
  void* memory = malloc(sizeof(T));
  return memory == nullptr ? nullptr : new (memory) T(std::forward<Args>(args)...);
}

template <typename T>
void Destroy(T* object) {
  object->~T();
  free(object);
}

}  // namespace sockscope

#endif  // SOCKSCOPE_MEMORY_H_

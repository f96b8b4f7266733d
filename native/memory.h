#ifndef SOCKSCOPE_MEMORY_H_
#define SOCKSCOPE_MEMORY_H_

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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

// Makes a table by fd number reach an index; new places are all zeroes. False if memory is short,
// and then the table is unchanged. The table is freed by `free`.
template <typename T>
bool GrowTo(int index, T** table, size_t* capacity) {
  const size_t wanted = static_cast<size_t>(index);
  if (wanted < *capacity) return true;
  size_t grown = *capacity == 0 ? 64 : *capacity;
  while (grown <= wanted) grown *= 2;
  void* memory = realloc(*table, grown * sizeof(T));
  if (memory == nullptr) return false;
  *table = static_cast<T*>(memory);
  memset(*table + *capacity, 0, (grown - *capacity) * sizeof(T));
  *capacity = grown;
  return true;
}

}  // namespace sockscope

#endif  // SOCKSCOPE_MEMORY_H_

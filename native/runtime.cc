// What abstract classes and node-addon-api need of the C++ runtime library. On Linux that library
// is not linked, so that one binary serves glibc and musl. On macOS every process has it.
#ifdef __linux__

#include <stdlib.h>

#include <new>

extern "C" [[noreturn]] void __cxa_pure_virtual() { abort(); }

void* operator new(size_t size) {
  void* memory = malloc(size);
  if (memory == nullptr) abort();
  return memory;
}

void operator delete(void* memory) noexcept { free(memory); }
void operator delete(void* memory, size_t) noexcept { free(memory); }

#endif  // __linux__

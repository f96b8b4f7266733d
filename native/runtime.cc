// The one symbol that abstract classes want of the C++ runtime library, which is not linked.

#include <stdlib.h>

extern "C" [[noreturn]] void __cxa_pure_virtual() { abort(); }

#ifndef SOCKSCOPE_MESSAGE_H_
#define SOCKSCOPE_MESSAGE_H_

#include <stddef.h>

namespace sockscope {

// How many buffers `recvv` and `sendv` take, each as an argument of its own: to reach an element of
// an array costs three times as much.
constexpr size_t kMaxDirect = 64;

}  // namespace sockscope

#endif  // SOCKSCOPE_MESSAGE_H_

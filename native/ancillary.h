#ifndef SOCKSCOPE_ANCILLARY_H_
#define SOCKSCOPE_ANCILLARY_H_

#include <stddef.h>
#include <stdint.h>

namespace sockscope {

class EnvState;

// Takes ownership of every fd in control data that the kernel has just written. To be called before
// anything that can fail.
void OwnReceivedFds(EnvState* state, const uint8_t* control, size_t length);

}  // namespace sockscope

#endif  // SOCKSCOPE_ANCILLARY_H_

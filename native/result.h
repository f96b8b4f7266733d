#ifndef SOCKSCOPE_RESULT_H_
#define SOCKSCOPE_RESULT_H_

#include <errno.h>
#include <stdint.h>
#include <unistd.h>
#include <uv.h>

namespace sockscope {

// Repeats a system call that a signal interrupted. Not for close(2): see `CloseOnce`.
template <typename Call>
inline auto Retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

// The result for JavaScript: the value of a successful call, or the negative libuv code of errno,
// which is -errno on Unix. The kernel moves at most 0x7ffff000 bytes per call, so every count fits.
template <typename T>
inline int32_t Result(T value) {
  return value == -1 ? -errno : static_cast<int32_t>(value);
}

// close(2). On Linux the fd is closed even if close(2) returns EINTR. A second try could close an
// fd that another thread has opened meanwhile under the same number.
inline int32_t CloseOnce(int fd) {
  const int32_t result = Result(close(fd));
  return result == UV_EINTR ? 0 : result;
}

}  // namespace sockscope

#endif  // SOCKSCOPE_RESULT_H_

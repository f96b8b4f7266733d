#ifndef SOCKSCOPE_RECEIVED_FDS_H_
#define SOCKSCOPE_RECEIVED_FDS_H_

#include <stddef.h>
#include <stdint.h>

#include "platform.h"

namespace sockscope {

// The fds that control messages brought, until other code takes them or they are closed.
//
// JavaScript sees their numbers, so other code may close one and get the same number again. So each
// fd is remembered with what it refers to, and is not closed once that is something else. Not for
// use from several threads.
class ReceivedFds {
 public:
  ReceivedFds() = default;
  ReceivedFds(const ReceivedFds&) = delete;
  ReceivedFds& operator=(const ReceivedFds&) = delete;
  // Closes nothing: `CloseAll` does.
  ~ReceivedFds();

  // Takes an fd that the kernel has just made. Closes the fd and returns false if memory is short.
  bool Add(int fd);
  // Forgets a number, because the fd has another owner now.
  void Forget(int fd);
  // A number that tells this fd from earlier and later ones under the same number; 0 if the fd is
  // not here.
  int32_t TokenOf(int fd) const;
  // Closes the fd with this token. UV_ENOENT if there is none, UV_EBADF if other code has closed
  // the fd meanwhile.
  int32_t Close(int fd, int32_t token);
  // Closes those that are certainly still the fds that were received.
  void CloseAll();

  size_t count() const { return count_; }

 private:
  struct Entry {
    int32_t token;
    FdIdentity identity;
  };

  Entry* Find(int fd) const {
    return fd >= 0 && static_cast<size_t>(fd) < capacity_ ? entries_[fd] : nullptr;
  }

  // By fd number, so that the look-up for every new socket costs nothing. Empty until the first fd
  // is received.
  Entry** entries_ = nullptr;
  size_t capacity_ = 0;
  size_t count_ = 0;
  int32_t last_token_ = 0;
  FdMarks marks_;
};

}  // namespace sockscope

#endif  // SOCKSCOPE_RECEIVED_FDS_H_

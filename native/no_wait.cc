#include "no_wait.h"

#include <poll.h>
#include <sys/ioctl.h>

#include "platform.h"
#include "result.h"

namespace sockscope {

namespace {

int32_t SetNonBlocking(int fd) {
  int on = 1;
  return Result(ioctl(fd, FIONBIO, &on));
}

}  // namespace

int32_t AcceptNoWait(int fd) {
  pollfd entry = {};
  entry.fd = fd;
  entry.events = POLLIN;
  const int ready = Retry([&] { return poll(&entry, 1, 0); });
  if (ready == 0) {
    // accept(2) would return EAGAIN on a listener, and the error of any other socket at once.
    int listens = 0;
    socklen_t length = sizeof(listens);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens != 0)
      return UV_EAGAIN;
  }
  const int32_t error = SetNonBlocking(fd);
  return error < 0 ? error : PlatformAccept(fd);
}

int32_t ConnectNoWait(int fd, const sockaddr* address, socklen_t length) {
  const int32_t error = SetNonBlocking(fd);
  return error < 0 ? error : Result(Retry([&] { return connect(fd, address, length); }));
}

int32_t CloseNoWait(int fd) {
  linger waiting = {};
  socklen_t length = sizeof(waiting);
  if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &waiting, &length) == 0 && waiting.l_onoff != 0 &&
      waiting.l_linger != 0) {
    waiting.l_onoff = 0;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &waiting, sizeof(waiting));
  }
  return CloseOnce(fd);
}

}  // namespace sockscope

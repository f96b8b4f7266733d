// macOS and the BSDs. socket(2) and accept(2) take no flags there, so an fd is made in two or three
// calls. In between, a process that another thread starts can inherit the fd: the platform has no
// way to prevent that.
#ifndef __linux__

#include <dlfcn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/ucred.h>
#include <sys/un.h>
#include <unistd.h>

#include "platform.h"
#include "result.h"

namespace sockscope {

namespace {

int32_t CloseAndReturn(int fd, int32_t code) {
  close(fd);
  return code;
}

}  // namespace

int32_t PlatformPrepare(int fd) {
  int on = 1;
  if (ioctl(fd, FIONBIO, &on) == -1 || ioctl(fd, FIOCLEX) == -1) return -errno;
#ifdef SO_NOSIGPIPE
  // EINVAL means that the peer of a new connection is gone already. The first send will report it.
  if (setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on)) == -1 && errno != EINVAL)
    return -errno;
#endif
  return 0;
}

int32_t PlatformSocket(int family, int type, int protocol) {
  const int fd = socket(family, type, protocol);
  if (fd == -1) return -errno;
  const int32_t error = PlatformPrepare(fd);
  return error == 0 ? fd : CloseAndReturn(fd, error);
}

int32_t PlatformSocketPair(int family, int type, int protocol, int fds[2]) {
  if (socketpair(family, type, protocol, fds) == -1) return -errno;
  int32_t error = PlatformPrepare(fds[0]);
  if (error == 0) error = PlatformPrepare(fds[1]);
  if (error == 0) return 0;
  close(fds[0]);
  return CloseAndReturn(fds[1], error);
}

int32_t PlatformAccept(int fd) {
  const int accepted = Retry([&] { return accept(fd, nullptr, nullptr); });
  if (accepted == -1) return -errno;
  const int32_t error = PlatformPrepare(accepted);
  return error == 0 ? accepted : CloseAndReturn(accepted, error);
}

int32_t PlatformSocketKind(int fd, int* family, int* protocol) {
  sockaddr_storage name = {};
  socklen_t length = sizeof(name);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length) == -1) return -errno;
  *family = name.ss_family;
  *protocol = 0;
  return 0;
}

int32_t PlatformPeerCredentials(int fd, int32_t out[3]) {
  uid_t uid = 0;
  gid_t gid = 0;
  if (getpeereid(fd, &uid, &gid) == -1) return -errno;
  out[0] = -1;
#ifdef LOCAL_PEERPID
  pid_t pid = -1;
  socklen_t length = sizeof(pid);
  if (getsockopt(fd, SOL_LOCAL, LOCAL_PEERPID, &pid, &length) == 0) out[0] = pid;
#endif
  out[1] = static_cast<int32_t>(uid);
  out[2] = static_cast<int32_t>(gid);
  return 0;
}

int32_t PlatformQueueSizes(int fd, int32_t out[2]) {
  int type = 0;
  socklen_t length = sizeof(type);
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == -1) return -errno;
  out[0] = -1;
  out[1] = -1;
  int size = 0;
  if (ioctl(fd, FIONREAD, &size) == 0) out[0] = size;
#ifdef SO_NWRITE
  length = sizeof(size);
  if (getsockopt(fd, SOL_SOCKET, SO_NWRITE, &size, &length) == 0) out[1] = size;
#endif
  return 0;
}

size_t PlatformOptionUnit(int, int) { return 1; }

bool PlatformOptionHoldsAddress(int, int) { return false; }

ssize_t PlatformRecvMsg(int fd, msghdr* message, int flags) {
  const ssize_t received = Retry([&] { return recvmsg(fd, message, flags | MSG_DONTWAIT); });
  if (received == -1) return -1;
  for (cmsghdr* control = CMSG_FIRSTHDR(message); control != nullptr;
       control = CMSG_NXTHDR(message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    // The length of a truncated message may reach beyond the memory.
    const uint8_t* data = CMSG_DATA(control);
    const uint8_t* end = static_cast<uint8_t*>(message->msg_control) + message->msg_controllen;
    const size_t room = data < end ? static_cast<size_t>(end - data) : 0;
    const size_t length = control->cmsg_len < CMSG_LEN(0) ? 0 : control->cmsg_len - CMSG_LEN(0);
    const size_t count = (length < room ? length : room) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int received_fd = -1;
      memcpy(&received_fd, data + i * sizeof(int), sizeof(int));
      ioctl(received_fd, FIOCLEX);
    }
  }
  return received;
}

FdIdentity FdMarks::Identify(int fd) {
  FdIdentity identity = {};
  struct stat status = {};
  if (fstat(fd, &status) == -1) {
    identity.error = errno;
    return identity;
  }
  identity.type = status.st_mode & S_IFMT;
  identity.device = static_cast<uint64_t>(status.st_dev);
  identity.inode = status.st_ino;
  return identity;
}

Sameness FdMarks::Compare(int fd, const FdIdentity& before) const {
  const FdIdentity now = FdMarks().Identify(fd);
  const bool is_same = now.error == 0 && before.error == 0 && now.type == before.type &&
                       now.device == before.device && now.inode == before.inode;
  return is_same ? Sameness::kSame : Sameness::kOther;
}

void FdMarks::Forget(int fd, const FdIdentity& identity) {
  static_cast<void>(fd);
  static_cast<void>(identity);
}

void FdMarks::CloseIfEmpty() {
  set_ = -1;
  marked_ = 0;
}

bool PlatformStayLoaded() {
  Dl_info info;
  return dladdr(reinterpret_cast<void*>(&PlatformStayLoaded), &info) != 0 &&
         dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE) != nullptr;
}

int32_t PlatformRecvBatch(int fd, BatchMessage* messages, unsigned int count) {
  unsigned int done = 0;
  for (; done < count; done++) {
    const ssize_t received = PlatformRecvMsg(fd, &messages[done].msg_hdr, 0);
    if (received == -1) break;
    messages[done].msg_len = static_cast<unsigned int>(received);
  }
  return done > 0 || count == 0 ? static_cast<int32_t>(done) : -errno;
}

int32_t PlatformSendBatch(int fd, BatchMessage* messages, unsigned int count) {
  unsigned int done = 0;
  for (; done < count; done++) {
    const ssize_t sent = Retry([&] { return sendmsg(fd, &messages[done].msg_hdr, kSendFlags); });
    if (sent == -1) break;
    messages[done].msg_len = static_cast<unsigned int>(sent);
  }
  return done > 0 || count == 0 ? static_cast<int32_t>(done) : -errno;
}

}  // namespace sockscope

#endif  // __linux__

#ifdef __linux__

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef STATX_TYPE  // the C library is older than statx(2); a newer one must not be told twice
#include <linux/stat.h>
#endif
#ifndef AT_STATX_DONT_SYNC
#define AT_STATX_DONT_SYNC 0x4000
#endif

#include "platform.h"
#include "result.h"

namespace sockscope {

int32_t PlatformSocket(int family, int type, int protocol) {
  return Result(socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
}

int32_t PlatformSocketPair(int family, int type, int protocol, int fds[2]) {
  return Result(socketpair(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol, fds));
}

int32_t PlatformAccept(int fd) {
  return Result(Retry([&] { return accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC); }));
}

int32_t PlatformPrepare(int fd) {
  int on = 1;
  // One call each, where fcntl(2) takes two: a read and a write.
  if (ioctl(fd, FIONBIO, &on) == -1 || ioctl(fd, FIOCLEX) == -1) return -errno;
  return 0;
}

int32_t PlatformSocketKind(int fd, int* family, int* protocol) {
  socklen_t length = sizeof(int);
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, family, &length) == -1) return -errno;
  length = sizeof(int);
  return Result(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, protocol, &length));
}

int32_t PlatformPeerCredentials(int fd, int32_t out[3]) {
  ucred credentials = {};
  socklen_t length = sizeof(credentials);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == -1) return -errno;
  // The kernel returns these values for a socket that has no peer with credentials. (A pid of 0
  // alone is a peer in a process namespace that this process does not see: unix(7).)
  if (credentials.pid == 0 && credentials.uid == static_cast<uid_t>(-1)) return UV_ENOTCONN;
  out[0] = credentials.pid;
  out[1] = static_cast<int32_t>(credentials.uid);
  out[2] = static_cast<int32_t>(credentials.gid);
  return 0;
}

int32_t PlatformQueueSizes(int fd, int32_t out[2]) {
  const unsigned long requests[2] = {SIOCINQ, SIOCOUTQ};
  for (int i = 0; i < 2; i++) {
    int size = 0;
    if (ioctl(fd, requests[i], &size) == 0) {
      out[i] = size;
    } else if (errno == EBADF || errno == ENOTTY) {
      return errno == EBADF ? UV_EBADF : UV_ENOTSOCK;
    } else {
      out[i] = -1;
    }
  }
  return 0;
}

size_t PlatformOptionUnit(int level, int option) {
  return level == SOL_SOCKET && option == SO_GET_FILTER ? sizeof(sock_filter) : 1;
}

bool PlatformOptionHoldsAddress(int level, int option) {
  // By number: the headers that define the names are not installed everywhere, and some of them do
  // not compile as C++.
  constexpr struct {
    int level;
    int option;
  } kOptions[] = {
      // The kernel writes the old counters to an address: IPT_SO_SET_REPLACE, IP6T_SO_SET_REPLACE,
      // ARPT_SO_SET_REPLACE, EBT_SO_SET_ENTRIES.
      {IPPROTO_IP, 64},
      {IPPROTO_IPV6, 64},
      {IPPROTO_IP, 96},
      {IPPROTO_IP, 128},
      // A handle of shared memory: RDS_GET_MR and RDS_GET_MR_FOR_DEST of SOL_RDS.
      {276, 2},
      {276, 7},
      // Every packet from then on: XDP_UMEM_REG of SOL_XDP.
      {283, 4},
  };
  for (const auto& known : kOptions) {
    if (known.level == level && known.option == option) return true;
  }
  return false;
}

ssize_t PlatformRecvMsg(int fd, msghdr* message, int flags) {
  const ssize_t received =
      Retry([&] { return recvmsg(fd, message, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC); });
  // Linux returns the flag, which says nothing about the message.
  message->msg_flags &= ~MSG_CMSG_CLOEXEC;
  return received;
}

namespace {

// An eventfd, an epoll set or a timer: all of them share one inode.
bool IsAnonymous(const FdIdentity& identity) {
  return identity.error == 0 && (identity.type & S_IFMT) == 0;
}

FdIdentity Ask(int fd) {
  FdIdentity identity = {};
  // Not fstat(2), which may wait for ever for a file on a peer's FUSE or on an NFS server that is
  // gone. (By its number, since supported C libraries lack statx.)
  struct statx known = {};
  if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO,
              &known) == 0) {
    identity.type = known.stx_mode & S_IFMT;
    identity.device = (uint64_t{known.stx_dev_major} << 32) | known.stx_dev_minor;
    identity.inode = known.stx_ino;
    return identity;
  }
  identity.error = errno;
  return identity;
}

}  // namespace

FdIdentity FdMarks::Identify(int fd) {
  FdIdentity identity = Ask(fd);
  if (IsAnonymous(identity)) {
    if (set_ == -1) set_ = epoll_create1(EPOLL_CLOEXEC);
    // An entry of an epoll set belongs to a number and to an open file description, and goes with
    // the latter. Nothing waits on this set. (EEXIST: the description came before, and other code
    // has closed the number meanwhile.)
    epoll_event event = {};
    identity.is_marked = epoll_ctl(set_, EPOLL_CTL_ADD, fd, &event) == 0 || errno == EEXIST;
    if (identity.is_marked) marked_++;
    CloseIfEmpty();
  }
  return identity;
}

Sameness FdMarks::Compare(int fd, const FdIdentity& before) const {
  const FdIdentity now = Ask(fd);
  if (now.error == EBADF || now.error != before.error || now.type != before.type ||
      now.device != before.device || now.inode != before.inode) {
    return Sameness::kOther;
  }
  // Kernels before 4.11 and some sandboxes have no statx.
  if (now.error == ENOSYS || now.error == EPERM) return Sameness::kUnknown;
  if (!IsAnonymous(now)) return Sameness::kSame;
  epoll_event event = {};
  if (epoll_ctl(set_, EPOLL_CTL_MOD, fd, &event) == 0) return Sameness::kSame;
  // An fd that no epoll set takes (EPERM) has no entry either way.
  return errno == ENOENT && before.is_marked ? Sameness::kOther : Sameness::kUnknown;
}

void FdMarks::Forget(int fd, const FdIdentity& identity) {
  if (!identity.is_marked) return;
  // The number may stand for another fd now: then this does nothing.
  epoll_ctl(set_, EPOLL_CTL_DEL, fd, nullptr);
  marked_--;
  CloseIfEmpty();
}

void FdMarks::CloseIfEmpty() {
  if (marked_ > 0 || set_ == -1) return;
  close(set_);
  set_ = -1;
}

// The linker flag -z nodelete does it.
bool PlatformStayLoaded() { return true; }

int32_t PlatformRecvBatch(int fd, BatchMessage* messages, unsigned int count) {
  return Result(Retry(
      [&] { return recvmmsg(fd, messages, count, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, nullptr); }));
}

int32_t PlatformSendBatch(int fd, BatchMessage* messages, unsigned int count) {
  return Result(Retry([&] { return sendmmsg(fd, messages, count, kSendFlags); }));
}

}  // namespace sockscope

#endif  // __linux__

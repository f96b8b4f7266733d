#ifndef SOCKSCOPE_PLATFORM_H_
#define SOCKSCOPE_PLATFORM_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

// What systems do differently. Each function is one job; platform_linux.cc does it in one system
// call, platform_bsd.cc (macOS and its kin) in what it takes. All return a count or a negative
// libuv code, and retry when interrupted.

namespace sockscope {

// send(2) to a closed peer is an error code, never a signal: by flag where there is one, else by a
// socket option.
#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;
#endif

// Fds from these are non-blocking, close-on-exec and raise no SIGPIPE.
int32_t PlatformSocket(int family, int type, int protocol);
int32_t PlatformSocketPair(int family, int type, int protocol, int fds[2]);
int32_t PlatformAccept(int fd);
// Makes an fd from elsewhere like them.
int32_t PlatformPrepare(int fd);

// [family, protocol] of a socket; 0 for a protocol that the system does not tell.
int32_t PlatformSocketKind(int fd, int* family, int* protocol);
// [pid, uid, gid] of a Unix socket's peer; -1 for what the system does not tell.
int32_t PlatformPeerCredentials(int fd, int32_t out[3]);
// [bytes unread, bytes unsent]; -1 for what the system does not tell.
int32_t PlatformQueueSizes(int fd, int32_t out[2]);

// recvmsg(2); received fds are close-on-exec.
ssize_t PlatformRecvMsg(int fd, msghdr* message, int flags);

// Keeps this addon's code in memory until the process ends, for threads that outlive their
// environment: Node unloads an addon with the last worker that loaded it. False if it cannot.
bool PlatformStayLoaded();

// One message of a batch, and what became of it: recvmmsg(2), or as many single calls elsewhere.
// The result is the number of messages done; an error counts only if it is the first's.
#ifdef __linux__
using BatchMessage = mmsghdr;
#else
struct BatchMessage {
  msghdr msg_hdr;
  unsigned int msg_len;
};
#endif
int32_t PlatformRecvBatch(int fd, BatchMessage* messages, unsigned int count);
int32_t PlatformSendBatch(int fd, BatchMessage* messages, unsigned int count);

}  // namespace sockscope

#endif  // SOCKSCOPE_PLATFORM_H_

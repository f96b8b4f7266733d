#ifndef SOCKSCOPE_PLATFORM_H_
#define SOCKSCOPE_PLATFORM_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

// What platforms do differently. platform_linux.cc does each job in one system call, and
// platform_bsd.cc (macOS and the BSDs) in as many as the job takes. All functions return a count or
// a negative libuv code, and repeat a call that a signal interrupted.

namespace sockscope {

// Of every send. It never waits (no_wait.h says why the socket's flag is not enough). A send to a
// closed peer returns an error, and raises no signal: by a flag where the platform has it, else by
// a socket option.
#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
#else
constexpr int kSendFlags = MSG_DONTWAIT;
#endif

// SCM_PIDFD: an fd of the sender's process, which comes while SO_PASSPIDFD is set. Older headers do
// not name it. -1 is no message.
#ifdef __linux__
constexpr int kPidfdMessage = 4;
#else
constexpr int kPidfdMessage = -1;
#endif

// The fds of these functions are non-blocking and close-on-exec, and raise no SIGPIPE.
int32_t PlatformSocket(int family, int type, int protocol);
int32_t PlatformSocketPair(int family, int type, int protocol, int fds[2]);
int32_t PlatformAccept(int fd);
// Makes an fd that another part of the process opened behave in the same way.
int32_t PlatformPrepare(int fd);

// The family and the protocol of a socket; the protocol is 0 where the platform does not tell it.
int32_t PlatformSocketKind(int fd, int* family, int* protocol);
// [pid, uid, gid] of a Unix socket's peer; -1 for a value that the platform does not tell.
int32_t PlatformPeerCredentials(int fd, int32_t out[3]);
// [bytes unread, bytes unsent]; -1 for a value that the platform does not tell.
int32_t PlatformQueueSizes(int fd, int32_t out[2]);

// The unit, in bytes, in which getsockopt(2) takes and returns the length of an option: 8 for a
// list of instructions of 8 bytes, 1 for all other options.
size_t PlatformOptionUnit(int level, int option);
// Whether the value that setsockopt(2) gets for this option holds addresses that the kernel writes
// to. JavaScript has no memory with a known address, so it has no use for such an option.
bool PlatformOptionHoldsAddress(int level, int option);

// recvmsg(2), but it never waits, and received fds are close-on-exec.
ssize_t PlatformRecvMsg(int fd, msghdr* message, int flags);

// What an fd refers to: alike for two fds of one file, pipe or socket. Linux is asked in such a way
// that no file system can block the call.
struct FdIdentity {
  // The error number of the question itself.
  int error;
  uint32_t type;
  uint64_t device;
  uint64_t inode;
  // `FdMarks` knows the fd by other means than these numbers.
  bool is_marked;
};

enum class Sameness { kSame, kOther, kUnknown };

// Tells whether a number still stands for the fd that it stood for.
class FdMarks {
 public:
  FdMarks() = default;
  FdMarks(const FdMarks&) = delete;
  FdMarks& operator=(const FdMarks&) = delete;

  FdIdentity Identify(int fd);
  // kSame also for another fd of the same file under the same number.
  Sameness Compare(int fd, const FdIdentity& before) const;
  // To be called once for each `Identify`.
  void Forget(int fd, const FdIdentity& identity);

 private:
  void CloseIfEmpty();

  // Linux: an epoll set that knows the open file descriptions which have no inode of their own.
  int set_ = -1;
  size_t marked_ = 0;
};

// Keeps the code of the addon in memory until the process ends, because threads of the resolver
// outlive their environment: Node unloads an addon with the last worker that loaded it. False if
// that fails.
bool PlatformStayLoaded();

// One message of a batch, and its length after the call. A batch is one recvmmsg(2) or sendmmsg(2),
// or one call per message where the platform has neither. The result is the number of messages that
// were moved, or a negative code if the first one failed.
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

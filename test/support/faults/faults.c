// A library for LD_PRELOAD that makes socket calls fail, or do less than they were asked, as a
// kernel may: each fault is one that Linux can produce, and the state after it is consistent. So
// a program under faults may see documented errors and delays, and nothing else.
//
// SOCKSCOPE_FAULTS is a folder. Each process puts a file there, named by its pid: the struct
// Control below, mapped. The process itself or another one writes to that file to switch faults on
// and off, and reads from it what was injected. SOCKSCOPE_FAULTS_AT_START, "kinds rate seed
// targets", switches them on when the addon makes its first call, so that Node.js has started.
//
// Sockets that were open at the start, and socket pairs that libuv makes (the pipes to child
// processes), stay without faults: they are no part of what is tested.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define CALLER __builtin_return_address(0)
#define BIT(kind) (1u << (kind))

// The order is that of FAULT_KINDS in faults.mjs.
enum Kind {
  kInterrupt,   // EINTR; also from close(2), which has closed the fd
  kWouldBlock,  // EAGAIN, and a new edge later
  kShort,       // less than there was, and a new edge later
  kAborted,     // accept(2): the connection at the head of the queue had failed
  kDelay,       // an event comes one epoll_wait(2) later
  kSpurious,    // an event that nothing caused
  kFdLimit,     // EMFILE or ENFILE
  kMemory,      // ENOBUFS or ENOMEM
  kReset,       // a send finds the connection lost: ECONNRESET or EPIPE, and so do later ones
  kKinds
};
enum Target { kAddon = 1, kLibuv = 2 };
enum { kMaxFd = 16384, kLog = 16384, kMaxVectors = 1024, kLeastShort = 64 };

struct Entry {
  uint16_t kind, error;
  int32_t fd;
  char call[8];
};
struct Control {
  uint32_t kinds, rate, seed, targets;  // written from outside
  uint32_t calls, injected;             // calls that could have failed, and those that did
  uint32_t counts[kKinds];
  uint32_t next;
  struct Entry log[kLog];
};

static struct Control inert;
static struct Control* control = &inert;
static uint32_t at_start[4];
static _Atomic int is_started;
static _Atomic uint8_t is_protected[kMaxFd];

// What the addon has registered, by fd.
struct Registration {
  int epoll;
  struct epoll_event event;
};
static struct Registration registrations[kMaxFd];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// The function that this library stands in front of. Each name is looked up once in a thread.
#define REAL(name) ((__typeof__(&name))Real(#name))
static void* Real(const char* name) {
  static __thread struct {
    const char* name;
    void* found;
  } known[64];
  for (int i = 0; i < 64; i++) {
    if (known[i].name == NULL) {
      known[i].found = dlsym(RTLD_NEXT, name);
      known[i].name = name;
    }
    if (strcmp(known[i].name, name) == 0) return known[i].found;
  }
  return dlsym(RTLD_NEXT, name);
}

static void Protect(int fd, int on) {
  if (fd >= 0 && fd < kMaxFd) is_protected[fd] = (uint8_t)on;
}

__attribute__((constructor)) static void Start(void) {
  const char* folder = getenv("SOCKSCOPE_FAULTS");
  if (folder == NULL) return;
  for (int fd = 0; fd < 256; fd++) Protect(fd, fcntl(fd, F_GETFD) != -1);
  char path[4096];
  snprintf(path, sizeof(path), "%s/%d", folder, (int)getpid());
  const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd == -1 || ftruncate(fd, sizeof(struct Control)) == -1) abort();
  struct Control* mapped =
      mmap(NULL, sizeof(struct Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) abort();
  syscall(SYS_close, fd);
  const char* start = getenv("SOCKSCOPE_FAULTS_AT_START");
  if (start != NULL)
    sscanf(start, "%u %u %u %u", &at_start[0], &at_start[1], &at_start[2], &at_start[3]);
  control = mapped;
}

// Whether the code at an address is the addon's.
static int IsAddon(void* address) {
  static _Atomic(void*) known[2][512];
  if (control == &inert) return 0;
  const size_t slot = ((size_t)address >> 2) % 512;
  if (known[0][slot] == address) return 0;
  if (known[1][slot] == address) return 1;
  Dl_info info;
  const int is = dladdr(address, &info) != 0 && info.dli_fname != NULL &&
                 strstr(info.dli_fname, "sockscope") != NULL &&
                 strstr(info.dli_fname, ".node") != NULL;
  known[is][slot] = address;
  return is;
}

static uint32_t Mix(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352d;
  x = (x ^ (x >> 15)) * 0x846ca68b;
  return x ^ (x >> 16);
}
static uint32_t Dice(void) {
  return Mix(__atomic_fetch_add(&control->calls, 1, __ATOMIC_RELAXED) * 0x9e3779b9 + control->seed);
}
static int Either(int one, int other) { return (Dice() & 1) != 0 ? one : other; }

// Whether a call of this caller may fail now.
static int IsTarget(void* caller) {
  if (control == &inert) return 0;
  const int is_addon = IsAddon(caller);
  if (is_addon && at_start[0] != 0 && atomic_exchange(&is_started, 1) == 0) {
    control->rate = at_start[1];
    control->seed = at_start[2];
    control->targets = at_start[3];
    control->kinds = at_start[0];
  }
  return control->kinds != 0 && (control->targets & (is_addon ? kAddon : kLibuv)) != 0;
}

// One of the wanted kinds among those that fit a call, or -1: the call happens as it is.
static int Choose(void* caller, uint32_t fitting) {
  if (!IsTarget(caller)) return -1;
  fitting &= control->kinds;
  const uint32_t rate = control->rate;
  if (fitting == 0 || rate == 0) return -1;
  const uint32_t dice = Dice();
  if (dice % rate != 0) return -1;
  uint32_t pick = Mix(dice) % (uint32_t)__builtin_popcount(fitting);
  for (int kind = 0; kind < kKinds; kind++)
    if ((fitting & BIT(kind)) != 0 && pick-- == 0) return kind;
  return -1;
}

static void Note(int kind, int error, int fd, const char* call) {
  const uint32_t at = __atomic_fetch_add(&control->next, 1, __ATOMIC_RELAXED) % kLog;
  struct Entry* entry = &control->log[at];
  entry->kind = (uint16_t)kind;
  entry->error = (uint16_t)error;
  entry->fd = fd;
  memset(entry->call, 0, sizeof(entry->call));
  memcpy(entry->call, call, strnlen(call, sizeof(entry->call)));
  __atomic_fetch_add(&control->counts[kind], 1, __ATOMIC_RELAXED);
  __atomic_fetch_add(&control->injected, 1, __ATOMIC_RELAXED);
}
static int Fail(int kind, int error, int fd, const char* call) {
  Note(kind, error, fd, call);
  errno = error;
  return -1;
}

// The type of a socket that may meet faults; -1 for all other fds.
static int SocketType(int fd) {
  int type = -1;
  socklen_t length = sizeof(type);
  const int before = errno;
  const int is_out = fd < 0 || (fd < kMaxFd && is_protected[fd]);
  if (is_out || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == -1) type = -1;
  errno = before;
  return type;
}
static int IsInet(int fd) {
  int family = 0;
  socklen_t length = sizeof(family);
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length) == 0 &&
         (family == AF_INET || family == AF_INET6);
}

// ── epoll

// The registration reports its present state once more: an edge, as if more had just arrived.
static void NewEdge(int fd) {
  if (fd < 0 || fd >= kMaxFd) return;
  const int before = errno;
  pthread_mutex_lock(&lock);
  struct Registration* one = &registrations[fd];
  if (one->event.events != 0) REAL(epoll_ctl)(one->epoll, EPOLL_CTL_MOD, fd, &one->event);
  pthread_mutex_unlock(&lock);
  errno = before;
}

EXPORT int epoll_ctl(int epoll, int operation, int fd, struct epoll_event* event) {
  if (!IsAddon(CALLER) || fd < 0 || fd >= kMaxFd)
    return REAL(epoll_ctl)(epoll, operation, fd, event);
  if (operation == EPOLL_CTL_ADD && Choose(CALLER, BIT(kMemory)) >= 0)
    return Fail(kMemory, Either(ENOMEM, ENOSPC), fd, "epollctl");
  pthread_mutex_lock(&lock);
  const int result = REAL(epoll_ctl)(epoll, operation, fd, event);
  if (operation == EPOLL_CTL_DEL || result == -1) {
    registrations[fd].event.events = 0;
  } else {
    registrations[fd] = (struct Registration){epoll, *event};
  }
  pthread_mutex_unlock(&lock);
  return result;
}

static int FdOf(int epoll, uint64_t data) {
  int found = -1;
  pthread_mutex_lock(&lock);
  for (int fd = 0; fd < kMaxFd && found == -1; fd++) {
    const struct Registration* one = &registrations[fd];
    if (one->event.events != 0 && one->epoll == epoll && one->event.data.u64 == data) found = fd;
  }
  pthread_mutex_unlock(&lock);
  return found;
}

// Takes events out of a batch of the addon's. Their registrations report them again.
static int Withhold(int epoll, struct epoll_event* events, int count) {
  int kept = 0;
  for (int i = 0; i < count; i++) {
    const int fd = Dice() % 2 == 0 ? FdOf(epoll, events[i].data.u64) : -1;
    if (fd == -1) {
      events[kept++] = events[i];
    } else {
      Note(kDelay, 0, fd, "epollwai");
      NewEdge(fd);
    }
  }
  return kept;
}

static void WakeAny(int epoll) {
  const int first = (int)(Dice() % 512);
  for (int i = 0; i < 512; i++) {
    const int fd = (first + i) % 512;
    if (registrations[fd].event.events == 0 || registrations[fd].epoll != epoll) continue;
    Note(kSpurious, 0, fd, "epollwai");
    NewEdge(fd);
    return;
  }
}

EXPORT int epoll_wait(int epoll, struct epoll_event* events, int most, int timeout) {
  const uint32_t own = IsAddon(CALLER) ? BIT(kDelay) | BIT(kSpurious) : 0;
  const int kind = Choose(CALLER, BIT(kInterrupt) | own);
  if (kind == kInterrupt) return Fail(kind, EINTR, epoll, "epollwai");
  if (kind == kSpurious) WakeAny(epoll);
  const int count = REAL(epoll_wait)(epoll, events, most, timeout);
  return kind == kDelay && count > 0 ? Withhold(epoll, events, count) : count;
}

EXPORT int epoll_pwait(int epoll, struct epoll_event* events, int most, int timeout,
                       const sigset_t* mask) {
  if (Choose(CALLER, BIT(kInterrupt)) >= 0) return Fail(kInterrupt, EINTR, epoll, "epollpwa");
  return REAL(epoll_pwait)(epoll, events, most, timeout, mask);
}

EXPORT int epoll_create1(int flags) {
  if (IsAddon(CALLER) && Choose(CALLER, BIT(kFdLimit)) >= 0)
    return Fail(kFdLimit, Either(EMFILE, ENFILE), -1, "epollcre");
  return REAL(epoll_create1)(flags);
}

EXPORT int poll(struct pollfd* fds, nfds_t count, int timeout) {
  if (IsAddon(CALLER) && Choose(CALLER, BIT(kInterrupt)) >= 0)
    return Fail(kInterrupt, EINTR, count > 0 ? fds[0].fd : -1, "poll");
  return REAL(poll)(fds, count, timeout);
}

// ── fds

EXPORT int socket(int family, int type, int protocol) {
  if (Choose(CALLER, BIT(kFdLimit)) >= 0)
    return Fail(kFdLimit, Either(EMFILE, ENFILE), -1, "socket");
  const int fd = REAL(socket)(family, type, protocol);
  Protect(fd, 0);
  return fd;
}

EXPORT int socketpair(int family, int type, int protocol, int fds[2]) {
  const int is_addon = IsAddon(CALLER);
  if (is_addon && Choose(CALLER, BIT(kFdLimit)) >= 0)
    return Fail(kFdLimit, Either(EMFILE, ENFILE), -1, "sockpair");
  const int result = REAL(socketpair)(family, type, protocol, fds);
  if (result == 0) {
    Protect(fds[0], !is_addon);
    Protect(fds[1], !is_addon);
  }
  return result;
}

EXPORT int accept4(int fd, struct sockaddr* address, socklen_t* length, int flags) {
  static const int failed[] = {ECONNABORTED, EPROTO, EPERM, ENETDOWN, EHOSTUNREACH};
  const int kind =
      Choose(CALLER, BIT(kInterrupt) | BIT(kWouldBlock) | BIT(kAborted) | BIT(kFdLimit));
  if (kind >= 0 && SocketType(fd) >= 0) {
    switch (kind) {
      case kInterrupt:
        return Fail(kind, EINTR, fd, "accept");
      case kFdLimit:
        return Fail(kind, Either(EMFILE, ENFILE), fd, "accept");
      case kAborted:
        // libuv knows ECONNABORTED alone.
        return Fail(kind, IsAddon(CALLER) ? failed[Dice() % 5] : ECONNABORTED, fd, "accept");
      default:
        NewEdge(fd);
        return Fail(kind, EAGAIN, fd, "accept");
    }
  }
  const int accepted = REAL(accept4)(fd, address, length, flags);
  Protect(accepted, 0);
  return accepted;
}

static int Control(void* caller, int fd, int command, void* argument) {
  const int is_copy = command == F_DUPFD_CLOEXEC || command == F_DUPFD;
  if (is_copy && IsAddon(caller) && Choose(caller, BIT(kFdLimit)) >= 0)
    return Fail(kFdLimit, EMFILE, fd, "dup");
  const int result = REAL(fcntl)(fd, command, argument);
  if (is_copy) Protect(result, 0);
  return result;
}
#define FCNTL(name)                                \
  EXPORT int name(int fd, int command, ...) {      \
    va_list list;                                  \
    va_start(list, command);                       \
    void* argument = va_arg(list, void*);          \
    va_end(list);                                  \
    return Control(CALLER, fd, command, argument); \
  }
FCNTL(fcntl)
FCNTL(fcntl64)

EXPORT int close(int fd) {
  const int is_interrupted =
      IsAddon(CALLER) && Choose(CALLER, BIT(kInterrupt)) >= 0 && SocketType(fd) >= 0;
  if (fd >= 0 && fd < kMaxFd && registrations[fd].event.events != 0) {
    pthread_mutex_lock(&lock);
    registrations[fd].event.events = 0;
    pthread_mutex_unlock(&lock);
  }
  Protect(fd, 0);
  const int result = REAL(close)(fd);
  return result == 0 && is_interrupted ? Fail(kInterrupt, EINTR, fd, "close") : result;
}

EXPORT int connect(int fd, const struct sockaddr* address, socklen_t length) {
  if (Choose(CALLER, BIT(kMemory)) >= 0 && SocketType(fd) >= 0)
    return Fail(kMemory, Either(ENOBUFS, ENOMEM), fd, "connect");
  return REAL(connect)(fd, address, length);
}

// ── data

static int Reset(int fd, int type, const char* call) {
  struct sockaddr_storage peer;
  socklen_t length = sizeof(peer);
  if (type != SOCK_STREAM || getpeername(fd, (struct sockaddr*)&peer, &length) == -1) return 0;
  shutdown(fd, SHUT_RDWR);
  return Fail(kReset, IsInet(fd) ? Either(ECONNRESET, EPIPE) : EPIPE, fd, call);
}

// Leaves `*size` smaller if there is enough to be shortened. A program expects a few bytes that
// were sent together to arrive together, though no kernel promises it.
static void Shorten(int fd, size_t* size, int is_send, const char* call) {
  int waiting = 0;
  if (*size < kLeastShort) return;
  if (!is_send && (ioctl(fd, FIONREAD, &waiting) == -1 || waiting < kLeastShort)) return;
  const size_t whole = is_send || *size < (size_t)waiting ? *size : (size_t)waiting;
  *size = 1 + Dice() % (whole - 1);
  Note(kShort, 0, fd, call);
  // Of TCP, what the call leaves counts as arrived after it.
  if (is_send || IsInet(fd)) NewEdge(fd);
}

// Decides what happens to a transfer. Returns 0 if it is to happen (with `*size` bytes at most),
// else -1 with errno.
static int Before(void* caller, int fd, size_t* size, int is_send, const char* call) {
  const uint32_t failures = is_send ? BIT(kMemory) | BIT(kReset) : 0;
  const int kind = Choose(caller, BIT(kInterrupt) | BIT(kWouldBlock) | BIT(kShort) | failures);
  const int type = kind < 0 ? -1 : SocketType(fd);
  if (type < 0) return 0;
  switch (kind) {
    case kInterrupt:
      return Fail(kind, EINTR, fd, call);
    case kWouldBlock:
      NewEdge(fd);
      return Fail(kind, EAGAIN, fd, call);
    case kMemory:
      return Fail(kind, Either(ENOBUFS, ENOMEM), fd, call);
    case kReset:
      return Reset(fd, type, call);
    default:
      // libuv takes a short read before a hang-up for the last one.
      if (type == SOCK_STREAM && (is_send || IsAddon(caller))) Shorten(fd, size, is_send, call);
      return 0;
  }
}

EXPORT ssize_t recv(int fd, void* data, size_t size, int flags) {
  if (Before(CALLER, fd, &size, 0, "recv") == -1) return -1;
  return REAL(recv)(fd, data, size, flags);
}
EXPORT ssize_t read(int fd, void* data, size_t size) {
  if (Before(CALLER, fd, &size, 0, "read") == -1) return -1;
  return REAL(read)(fd, data, size);
}
EXPORT ssize_t send(int fd, const void* data, size_t size, int flags) {
  if (Before(CALLER, fd, &size, 1, "send") == -1) return -1;
  return REAL(send)(fd, data, size, flags);
}
EXPORT ssize_t sendto(int fd, const void* data, size_t size, int flags,
                      const struct sockaddr* address, socklen_t length) {
  if (Before(CALLER, fd, &size, 1, "sendto") == -1) return -1;
  return REAL(sendto)(fd, data, size, flags, address, length);
}
EXPORT ssize_t write(int fd, const void* data, size_t size) {
  if (Before(CALLER, fd, &size, 1, "write") == -1) return -1;
  return REAL(write)(fd, data, size);
}

static size_t Total(const struct iovec* vectors, size_t count) {
  size_t total = 0;
  for (size_t i = 0; i < count; i++) total += vectors[i].iov_len;
  return total;
}
// Copies the vectors, cut to `size` bytes. Returns how many there are then.
static size_t Cut(struct iovec* out, const struct iovec* vectors, size_t count, size_t size) {
  size_t used = 0;
  for (; used < count && size > 0; used++) {
    out[used] = vectors[used];
    if (out[used].iov_len > size) out[used].iov_len = size;
    size -= out[used].iov_len;
  }
  return used;
}

EXPORT ssize_t writev(int fd, const struct iovec* vectors, int count) {
  struct iovec fewer[kMaxVectors];
  size_t size = Total(vectors, (size_t)count);
  const size_t all = size;
  if (Before(CALLER, fd, &size, 1, "writev") == -1) return -1;
  if (size == all || count > kMaxVectors) return REAL(writev)(fd, vectors, count);
  return REAL(writev)(fd, fewer, (int)Cut(fewer, vectors, (size_t)count, size));
}

static ssize_t Message(void* caller, int fd, struct msghdr* message, int flags, int is_send) {
  struct iovec fewer[kMaxVectors];
  size_t size = Total(message->msg_iov, message->msg_iovlen);
  const size_t all = size;
  if (Before(caller, fd, &size, is_send, is_send ? "sendmsg" : "recvmsg") == -1) return -1;
  struct msghdr less = *message;
  if (size != all && less.msg_iovlen <= kMaxVectors) {
    less.msg_iovlen = Cut(fewer, message->msg_iov, message->msg_iovlen, size);
    less.msg_iov = fewer;
  }
  if (is_send) return REAL(sendmsg)(fd, &less, flags);
  const ssize_t received = REAL(recvmsg)(fd, &less, flags);
  message->msg_namelen = less.msg_namelen;
  message->msg_controllen = less.msg_controllen;
  message->msg_flags = less.msg_flags;
  return received;
}
EXPORT ssize_t sendmsg(int fd, const struct msghdr* message, int flags) {
  return Message(CALLER, fd, (struct msghdr*)message, flags, 1);
}
EXPORT ssize_t recvmsg(int fd, struct msghdr* message, int flags) {
  return Message(CALLER, fd, message, flags, 0);
}

// A batch that is cut has fewer messages.
static unsigned int Fewer(void* caller, int fd, unsigned int count, const char* call) {
  if (count < 2 || Choose(caller, BIT(kShort)) < 0 || SocketType(fd) < 0) return count;
  Note(kShort, 0, fd, call);
  NewEdge(fd);
  return 1 + Dice() % (count - 1);
}
EXPORT int sendmmsg(int fd, struct mmsghdr* messages, unsigned int count, int flags) {
  size_t size = 1;
  if (Before(CALLER, fd, &size, 1, "sendmmsg") == -1) return -1;
  return REAL(sendmmsg)(fd, messages, Fewer(CALLER, fd, count, "sendmmsg"), flags);
}
EXPORT int recvmmsg(int fd, struct mmsghdr* messages, unsigned int count, int flags,
                    struct timespec* timeout) {
  size_t size = 1;
  if (Before(CALLER, fd, &size, 0, "recvmmsg") == -1) return -1;
  return REAL(recvmmsg)(fd, messages, Fewer(CALLER, fd, count, "recvmmsg"), flags, timeout);
}

#include "sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "result.h"

namespace {

// 28,000 ports of each source address are enough for a second's worth of TIME_WAIT, after which
// loopback reuses them.
constexpr int kSourceAddresses = 100;
constexpr int kBufferBytes = 4 << 20;
// The standard streams, epoll, and the files of /proc.
constexpr int kOtherFiles = 50;

Address InetAddress(const std::string& host, uint16_t port) {
  Address address;
  auto* inet = reinterpret_cast<sockaddr_in*>(&address.storage);
  inet->sin_family = AF_INET;
  inet->sin_port = htons(port);
  inet_pton(AF_INET, host.c_str(), &inet->sin_addr);
  address.length = sizeof *inet;
  return address;
}

Address UnixAddress(const std::string& path) {
  Address address;
  auto* local = reinterpret_cast<sockaddr_un*>(&address.storage);
  if (path.size() >= sizeof local->sun_path) Fail("the path is too long: %s", path.c_str());
  local->sun_family = AF_UNIX;
  memcpy(local->sun_path, path.c_str(), path.size() + 1);
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

int Create(const Options& options) {
  const int fd = socket(options.is_inet ? AF_INET : AF_UNIX,
                        (options.is_stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
  if (fd < 0) FailErrno("socket");
  return fd;
}

void SetInt(int fd, int level, int option, int value) {
  if (setsockopt(fd, level, option, &value, sizeof value) < 0) FailErrno("setsockopt");
}

void SetNonBlocking(int fd) {
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) FailErrno("fcntl");
}

void ChooseSource(const Options& options, int fd, int index) {
  if (!options.is_inet || options.host.compare(0, 4, "127.") != 0) return;
  SetInt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  const Address source = InetAddress("127.0.0." + std::to_string(1 + index % kSourceAddresses), 0);
  if (bind(fd, source.get(), source.length) < 0) FailErrno("bind");
}

}  // namespace

Address ServerAddress(const Options& options) {
  return options.is_inet ? InetAddress(options.host, options.port) : UnixAddress(options.path);
}

void RaiseFileLimit(int connections) {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) FailErrno("getrlimit");
  if (limit.rlim_max < static_cast<rlim_t>(connections + kOtherFiles)) {
    Fail(
        "%d connections need as many files, and this user may open %llu: raise the hard limit "
        "(ulimit -Hn)",
        connections, static_cast<unsigned long long>(limit.rlim_max));
  }
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) < 0) FailErrno("setrlimit");
}

int BeginConnectStream(const Options& options, int index) {
  const int fd = Create(options);
  SetNonBlocking(fd);
  ChooseSource(options, fd, index);
  if (options.is_inet) SetInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  const Address server = ServerAddress(options);
  if (connect(fd, server.get(), server.length) < 0 && errno != EINPROGRESS) FailErrno("connect");
  return fd;
}

int ConnectStream(const Options& options, int index) {
  const int fd = Create(options);
  ChooseSource(options, fd, index);
  if (options.is_inet) SetInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  const Address server = ServerAddress(options);
  if (connect(fd, server.get(), server.length) < 0) FailErrno("connect");
  SetNonBlocking(fd);
  return fd;
}

int ConnectDatagram(const Options& options, int index, bool non_blocking) {
  const int fd = Create(options);
  if (options.is_inet) {
    // All answers have to fit, so that losses are the server's own.
    SetInt(fd, SOL_SOCKET, SO_RCVBUF, kBufferBytes);
  } else {
    const std::string own =
        options.path + "." + std::to_string(getpid()) + "." + std::to_string(index);
    unlink(own.c_str());
    const Address local = UnixAddress(own);
    if (bind(fd, local.get(), local.length) < 0) FailErrno("bind");
  }
  const Address server = ServerAddress(options);
  if (connect(fd, server.get(), server.length) < 0) FailErrno("connect");
  if (non_blocking) SetNonBlocking(fd);
  return fd;
}

int BindDatagram(const Options& options, std::string* reachable) {
  const int fd = Create(options);
  if (!options.is_inet) {
    unlink(options.path.c_str());
    const Address local = UnixAddress(options.path);
    if (bind(fd, local.get(), local.length) < 0) FailErrno("bind");
    *reachable = "unix-dgram:" + options.path;
    return fd;
  }
  SetInt(fd, SOL_SOCKET, SO_RCVBUF, kBufferBytes);
  const Address local = InetAddress(options.host, options.port);
  if (bind(fd, local.get(), local.length) < 0) FailErrno("bind");
  sockaddr_in bound;
  socklen_t length = sizeof bound;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length) < 0) FailErrno("getsockname");
  *reachable = "udp:" + options.host + ":" + std::to_string(ntohs(bound.sin_port));
  return fd;
}

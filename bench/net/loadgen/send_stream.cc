#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <vector>

#include "clock.h"
#include "modes.h"
#include "payload.h"
#include "result.h"
#include "sockets.h"

namespace {

struct Connection {
  int fd;
  uint64_t sent = 0;
};

// The server answers the end of the stream with the number of bytes that it got, in 8 bytes,
// little-endian.
uint64_t ReadCount(int fd) {
  uint8_t answer[8];
  size_t have = 0;
  while (have < sizeof answer) {
    pollfd wait = {fd, POLLIN, 0};
    if (poll(&wait, 1, 10000) <= 0) Fail("the server did not say how many bytes it got");
    const ssize_t count = recv(fd, answer + have, sizeof answer - have, 0);
    if (count < 0 && errno == EAGAIN) continue;
    if (count <= 0) Fail("the server closed without saying how many bytes it got");
    have += static_cast<size_t>(count);
  }
  uint64_t number = 0;
  for (unsigned i = 0; i < 8; i++) number |= static_cast<uint64_t>(answer[i]) << (8 * i);
  return number;
}

}  // namespace

void SendStream(const Options& options) {
  const Payload payload(options.size, options.lines);
  std::vector<Connection> connections;
  std::vector<pollfd> waits;
  for (int i = 0; i < options.connections; i++) {
    connections.push_back({ConnectStream(options, i)});
    waits.push_back({connections.back().fd, POLLOUT, 0});
  }
  Measurement measurement(options);
  while (measurement.Running(Now())) {
    if (poll(waits.data(), waits.size(), 100) < 0 && errno != EINTR) FailErrno("poll");
    for (size_t i = 0; i < waits.size(); i++) {
      if (waits[i].revents == 0) continue;
      const ssize_t count = send(waits[i].fd, payload.Message(0, 0), payload.size(), MSG_NOSIGNAL);
      if (count < 0) {
        if (errno == EAGAIN) continue;
        FailErrno("send");
      }
      connections[i].sent += static_cast<uint64_t>(count);
      measurement.CountBytes(static_cast<uint64_t>(count));
      measurement.CountWithoutLatency(1);
    }
  }
  for (const Connection& connection : connections) {
    if (shutdown(connection.fd, SHUT_WR) < 0) FailErrno("shutdown");
    const uint64_t got = ReadCount(connection.fd);
    if (got != connection.sent) {
      Fail("%llu bytes were sent, and the server got %llu",
           static_cast<unsigned long long>(connection.sent), static_cast<unsigned long long>(got));
    }
  }
  measurement.Print("send");
}

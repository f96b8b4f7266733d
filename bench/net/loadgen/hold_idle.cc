#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "clock.h"
#include "modes.h"
#include "payload.h"
#include "result.h"
#include "sockets.h"

namespace {

// Connections that are opened at once. One after another, each would wait for the server to wake
// up.
constexpr int kBatch = 50;

void Ask(int fd, const Payload& payload, int index) {
  const uint8_t* message = payload.Message(static_cast<uint64_t>(index), 0);
  if (send(fd, message, payload.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(payload.size()))
    FailErrno("send");
}

void TakeAnswer(int fd, const Payload& payload, int index) {
  const uint8_t* message = payload.Message(static_cast<uint64_t>(index), 0);
  std::vector<uint8_t> answer(payload.size());
  size_t have = 0;
  while (have < answer.size()) {
    pollfd wait = {fd, POLLIN, 0};
    if (poll(&wait, 1, 10000) <= 0) Fail("connection %d got no answer", index);
    const ssize_t count = recv(fd, answer.data() + have, answer.size() - have, 0);
    if (count < 0 && errno == EAGAIN) continue;
    if (count <= 0) Fail("connection %d was closed", index);
    have += static_cast<size_t>(count);
  }
  if (memcmp(answer.data(), message, answer.size()) != 0)
    Fail("connection %d: what came back is not what was sent", index);
}

void Exchange(int fd, const Payload& payload, int index) {
  Ask(fd, payload, index);
  TakeAnswer(fd, payload, index);
}

void Pause(double seconds) {
  const uint64_t nanoseconds = Nanoseconds(seconds);
  const timespec time = {static_cast<time_t>(nanoseconds / 1000000000u),
                         static_cast<long>(nanoseconds % 1000000000u)};
  nanosleep(&time, nullptr);
}

}  // namespace

// In the result, `rssBefore` is the server's memory with one used connection, and `rss` its memory
// with all.
void HoldIdle(const Options& options) {
  const Payload payload(options.size, options.lines);
  const int warm = ConnectStream(options, 0);
  for (int i = 0; i < 100; i++) Exchange(warm, payload, 0);
  Pause(options.warmup);
  Measurement measurement(options);
  measurement.Begin();
  std::vector<int> connections;
  for (int first = 0; first < options.connections; first += kBatch) {
    const int end = std::min(first + kBatch, options.connections);
    for (int i = first; i < end; i++) {
      connections.push_back(ConnectStream(options, i));
      Ask(connections.back(), payload, i);
    }
    for (int i = first; i < end; i++) TakeAnswer(connections[static_cast<size_t>(i)], payload, i);
    measurement.CountWithoutLatency(static_cast<uint64_t>(end - first));
  }
  Pause(options.seconds);
  measurement.End();
  // The connections are still open, and the server still answers on them.
  for (size_t i = 0; i < connections.size(); i += 97)
    Exchange(connections[i], payload, static_cast<int>(i));
  measurement.Print("idle");
}

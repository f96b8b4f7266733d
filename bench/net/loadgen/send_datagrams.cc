#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "clock.h"
#include "modes.h"
#include "payload.h"
#include "result.h"
#include "sockets.h"

namespace {

constexpr unsigned kBatch = 32;

// A datagram of one byte asks the server how many others it has received; the answer has 8
// bytes, little-endian. The question is repeated, because the server's queue was full a moment ago.
uint64_t AskCount(int fd) {
  for (int attempt = 0; attempt < 200; attempt++) {
    if (send(fd, "?", 1, MSG_DONTWAIT) < 0 && errno != EAGAIN && errno != ENOBUFS)
      FailErrno("send");
    pollfd wait = {fd, POLLIN, 0};
    if (poll(&wait, 1, 25) <= 0) continue;
    uint8_t answer[8];
    if (recv(fd, answer, sizeof answer, MSG_DONTWAIT) != sizeof answer) continue;
    uint64_t number = 0;
    for (unsigned i = 0; i < 8; i++) number |= static_cast<uint64_t>(answer[i]) << (8 * i);
    return number;
  }
  Fail("the server does not say how many datagrams it got");
}

// Discards the answers to repeated questions.
void DropAnswers(int fd) {
  uint8_t answer[8];
  pollfd wait = {fd, POLLIN, 0};
  while (poll(&wait, 1, 30) > 0) {
    if (recv(fd, answer, sizeof answer, MSG_DONTWAIT) < 0) return;
  }
}

// Sends as fast as the kernel takes it, until the time is up. UDP drops the datagrams that the
// server does not take; Unix datagrams wait.
uint64_t Flood(const Options& options, int fd, const Payload& payload, double seconds) {
  mmsghdr messages[kBatch] = {};
  iovec parts[kBatch];
  for (unsigned i = 0; i < kBatch; i++) {
    parts[i] = {const_cast<uint8_t*>(payload.Message(0, i)), payload.size()};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  uint64_t sent = 0;
  const uint64_t end = Now() + Nanoseconds(seconds);
  while (Now() < end && (options.requests == 0 || sent < options.requests)) {
    const int count = sendmmsg(fd, messages, kBatch, 0);
    if (count > 0) {
      sent += static_cast<uint64_t>(count);
    } else if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR) {
      FailErrno("sendmmsg");
    }
  }
  return sent;
}

}  // namespace

void SendDatagrams(const Options& options) {
  if (options.size < 2) Fail("a datagram of one byte is the question for the count");
  const Payload payload(options.size, 0);
  const int fd = ConnectDatagram(options, 0, false);
  // A blocking send returns now and then, so that the clock is read.
  const timeval timeout = {0, 100'000};
  if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) < 0)
    FailErrno("setsockopt");
  Flood(options, fd, payload, options.warmup);
  uint64_t before = AskCount(fd);
  DropAnswers(fd);
  before = AskCount(fd);
  Measurement measurement(options);
  measurement.Begin();
  const uint64_t sent = Flood(options, fd, payload, options.seconds);
  const uint64_t received = AskCount(fd) - before;
  measurement.CountWithoutLatency(received);
  measurement.CountBytes(received * options.size);
  measurement.CountLost(sent - received);
  measurement.End();
  if (received > sent)
    Fail("%llu datagrams were sent, and the server counts %llu",
         static_cast<unsigned long long>(sent), static_cast<unsigned long long>(received));
  measurement.Print("send");
}

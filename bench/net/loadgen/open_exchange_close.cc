#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <vector>

#include "clock.h"
#include "modes.h"
#include "payload.h"
#include "result.h"
#include "sockets.h"

namespace {

enum class Phase { kSending, kReceiving, kEnding };

struct Visit {
  int fd = -1;
  Phase phase = Phase::kSending;
  uint64_t number = 0;
  uint64_t began = 0;
  size_t received = 0;
};

class Visits {
 public:
  explicit Visits(const Options& options)
      : options_(options),
        payload_(options.size, options.lines),
        measurement_(options),
        chunk_(options.size + 1) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) FailErrno("epoll_create1");
    visits_.resize(static_cast<size_t>(options.connections));
  }

  void Run() {
    for (size_t i = 0; i < visits_.size(); i++) Begin(i);
    std::vector<epoll_event> events(256);
    while (measurement_.Running(Now())) {
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 100);
      if (count < 0 && errno != EINTR) FailErrno("epoll_wait");
      for (int i = 0; i < count; i++) Continue(events[static_cast<size_t>(i)].data.u32);
    }
    measurement_.Print("connect");
  }

 private:
  void Begin(size_t index) {
    Visit& visit = visits_[index];
    visit.began = Now();
    visit.number = next_++;
    visit.phase = Phase::kSending;
    visit.received = 0;
    visit.fd = BeginConnectStream(options_, static_cast<int>(visit.number % 1000003));
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.u32 = static_cast<uint32_t>(index);
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, visit.fd, &event) < 0) FailErrno("epoll_ctl");
  }

  void Continue(size_t index) {
    Visit& visit = visits_[index];
    if (visit.phase == Phase::kSending && !Send(&visit)) return;
    while (Receive(&visit)) {
      if (visit.phase != Phase::kEnding || visit.fd >= 0) continue;
      measurement_.Count(Now() - visit.began);
      Begin(index);
      return;
    }
  }

  bool Send(Visit* visit) {
    const ssize_t count =
        send(visit->fd, payload_.Message(0, visit->number), payload_.size(), MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EAGAIN) return false;
      FailErrno("send");
    }
    if (static_cast<size_t>(count) != payload_.size())
      Fail("a new connection did not take %zu bytes", payload_.size());
    visit->phase = Phase::kReceiving;
    return true;
  }

  // One receive. False if the kernel returns EAGAIN.
  bool Receive(Visit* visit) {
    const ssize_t count = recv(visit->fd, chunk_.data(), chunk_.size(), 0);
    if (count < 0) {
      if (errno == EAGAIN) return false;
      FailErrno("recv");
    }
    if (visit->phase == Phase::kEnding) {
      if (count != 0) Fail("the server sent more than it got");
      close(visit->fd);
      visit->fd = -1;
      return true;
    }
    const auto size = static_cast<size_t>(count);
    if (size == 0) Fail("the server closed before it answered");
    if (visit->received + size > payload_.size() ||
        memcmp(chunk_.data(), payload_.Message(0, visit->number) + visit->received, size) != 0) {
      Fail("what came back is not what was sent");
    }
    measurement_.CountBytes(size);
    visit->received += size;
    if (visit->received == payload_.size()) {
      visit->phase = Phase::kEnding;
      // The client ends first, so that TIME_WAIT is on its side, spread over many addresses.
      if (shutdown(visit->fd, SHUT_WR) < 0) FailErrno("shutdown");
    }
    return true;
  }

  const Options& options_;
  Payload payload_;
  Measurement measurement_;
  std::vector<uint8_t> chunk_;
  std::vector<Visit> visits_;
  uint64_t next_ = 0;
  int epoll_;
};

}  // namespace

void OpenExchangeClose(const Options& options) { Visits(options).Run(); }

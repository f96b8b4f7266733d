// How readiness is learned on Linux
//
// One epoll set per environment holds all watched fds. The set is an fd itself, and the libuv loop
// polls it with one uv_poll_t. When the set becomes readable, `Drain` takes the events out of it
// and hands them to JavaScript. The figures are of Node.js 20 on a virtual machine with 2 cores.
//
// Edge-triggered. `Watch` registers an fd once, for both directions, and `Unwatch` removes it: one
// epoll_ctl(2) each (1.5 µs), and none per wait. A level-triggered set reports a ready fd in every
// turn until its data is read, and a socket with room in its send buffer in every turn. So interest
// would have to be switched on before each wait, and off after it. The price of edges is that each
// comes once. So JavaScript waits only after a call has returned EAGAIN or a short count, and calls
// again when an event arrives. Registration reports the present state as the first edge, so nothing
// that came before it is lost.
//
// Slot and generation, not the fd. An fd is a number that the kernel gives out again right after
// close(2). A batch is a picture of one moment: what JavaScript does for its first event may close
// an fd and open another one with the same number before it reaches the tenth. By number, the tenth
// event would wake the wrong socket. So the data of an event are a slot in JavaScript's table of
// sockets and the generation of that slot, which grows whenever a socket takes the slot. An event
// with an older generation is stale, and is dropped. Spurious wake-ups remain possible (other code
// may have read the data): they cost one system call that returns EAGAIN.
//
// The order of closing: the watch ends, then the fd is closed, then the memory is freed. A
// registration belongs to the open file description, not to the fd (epoll(7), question 6). If the
// fd were closed first while a duplicate of it lives on (dup(2), another process, a control message
// under way), the set would go on to report it, and no call could remove it any more. The same
// order ends the reactor: uv_close() first, after which libuv does not touch the epoll fd, then
// close(2), and the memory goes with the close callback, because libuv uses the handle until then.
//
// What the nested set costs. The loop's own epoll_wait only says that the set is readable; a second
// one fetches the events (1.1 µs, and 0.5 µs for the second wake-up in the kernel). That is one
// system call per batch: less than 0.1 µs per event with the 26 to 37 events per batch of the TCP
// echo in bench/native. Adding the fds to libuv's own set is not possible: libuv finds its watchers
// by the fd in the event. libuv polls level-triggered, so a set that is not empty after `Drain` is
// reported again in the next turn.
//
// One entry into JavaScript per batch. An entry costs 0.14 µs even if nothing follows from it, and
// all microtasks run before it returns. With one entry per event, the continuation of the first
// socket would run before the second socket is known to be ready. With one per batch, all waiting
// operations settle first, and then their continuations run together. A batch has 256 events at
// most, and a turn four batches: the rest waits, so that timers and other handles get their turn.
//
// What reactor_poll.cc does instead, for systems without epoll: one uv_poll_t per fd. libuv is
// level-triggered, so a direction that was reported leaves the interest, and JavaScript asks for it
// again with `arm`. That takes system calls for every wait, and a callback for every event; the
// events are collected, and delivered as one batch after the loop has called all polls. The same
// echo takes 12.7 µs of the server's CPU per request instead of 7.5. Both reactors pass the same
// tests, so each checks the other.
#ifdef __linux__

#include <sys/epoll.h>
#include <unistd.h>

#include "env_state.h"
#include "memory.h"
#include "reactor.h"
#include "result.h"

namespace sockscope {

namespace {

constexpr uint32_t kExceptions = EPOLLERR | EPOLLHUP | EPOLLRDHUP | EPOLLPRI;

int32_t ReadyEventsOf(uint32_t events) {
  int32_t ready = 0;
  if ((events & EPOLLIN) != 0) ready |= kReadable;
  if ((events & EPOLLOUT) != 0) ready |= kWritable;
  if ((events & kExceptions) != 0) ready |= kException;
  return ready;
}

class EpollReactor final : public Reactor {
 public:
  EpollReactor(EnvState* state, const Delivery& delivery) : state_(state), delivery_(delivery) {}

  int32_t Init() {
    epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd_ == -1) return -errno;
    const int error = uv_poll_init(state_->loop(), &poll_, epoll_fd_);
    if (error != 0) {
      close(epoll_fd_);
      return error;
    }
    poll_.data = this;
    state_->HandleOpened();
    uv_unref(AsHandle());
    return 0;
  }

  int32_t Start() { return uv_poll_start(&poll_, UV_READABLE, OnReadable); }

  int32_t Watch(int fd, int32_t slot, int32_t generation) override {
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
    event.data.u64 = static_cast<uint64_t>(static_cast<uint32_t>(generation)) << 32 |
                     static_cast<uint32_t>(slot);
    return Result(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event));
  }

  int32_t Unwatch(int fd) override {
    epoll_event unused = {};
    return Result(epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, &unused));
  }

  int32_t Arm(int, int32_t) override { return 0; }

  int32_t Resume() override { return 0; }

  void Hold(bool on) override {
    if (on) {
      uv_ref(AsHandle());
    } else {
      uv_unref(AsHandle());
    }
  }

  void Close() override {
    delivery_.Close();
    uv_close(AsHandle(), OnClosed);
    // After uv_close(), libuv does not touch the fd.
    close(epoll_fd_);
  }

 private:
  uv_handle_t* AsHandle() { return reinterpret_cast<uv_handle_t*>(&poll_); }

  static void OnReadable(uv_poll_t* handle, int status, int) {
    // A status below zero means that other code has closed the epoll fd. libuv has stopped the
    // handle, and there is nothing to read events from.
    if (status != 0) return;
    static_cast<EpollReactor*>(handle->data)->Drain();
  }

  void Drain() {
    epoll_event raw[kReactorBatch];
    ReactorEvent events[kReactorBatch];
    for (int round = 0; round < kReactorRounds; round++) {
      const int count = Retry([&] { return epoll_wait(epoll_fd_, raw, kReactorBatch, 0); });
      if (count <= 0) return;
      for (int i = 0; i < count; i++) {
        const uint64_t data = raw[i].data.u64;
        events[i] = {static_cast<int32_t>(data & 0xffffffff), static_cast<int32_t>(data >> 32),
                     ReadyEventsOf(raw[i].events)};
      }
      if (!delivery_.Send(events, count) || count < kReactorBatch) return;
    }
  }

  static void OnClosed(uv_handle_t* handle) {
    EpollReactor* reactor = static_cast<EpollReactor*>(handle->data);
    EnvState* state = reactor->state_;
    Destroy(reactor);
    state->HandleClosed();
  }

  EnvState* state_;
  Delivery delivery_;
  uv_poll_t poll_ = {};
  int epoll_fd_ = -1;
};

}  // namespace

Reactor* OpenEpollReactor(EnvState* state, Delivery delivery, int32_t* error) {
  return OpenReactor<EpollReactor>(state, delivery, error);
}

}  // namespace sockscope

#endif  // __linux__

// One edge-triggered epoll set per environment, itself polled by the loop: no epoll_ctl per wait,
// and all events of a turn in one entry into JavaScript.
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
    // After uv_close() libuv no longer looks at the fd.
    close(epoll_fd_);
  }

 private:
  uv_handle_t* AsHandle() { return reinterpret_cast<uv_handle_t*>(&poll_); }

  static void OnReadable(uv_poll_t* handle, int status, int) {
    // A status below zero: somebody closed our epoll fd. libuv has stopped the handle; there is
    // nothing to read events from.
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

// One uv_poll_t per fd, for systems without epoll, and as a check on the epoll reactor. libuv polls
// level-triggered, so a direction that was reported leaves the interest until JavaScript arms it
// again. The comment at the head of reactor_epoll.cc compares the two.

#include <stdlib.h>
#include <string.h>

#include "env_state.h"
#include "memory.h"
#include "reactor.h"

namespace sockscope {

namespace {

class PollReactor;

struct PollWatch {
  uv_poll_t poll;
  PollReactor* reactor;
  int32_t slot;
  int32_t generation;
  int armed;
};

class PollReactor final : public Reactor {
 public:
  PollReactor(EnvState* state, const Delivery& delivery) : state_(state), delivery_(delivery) {}

  int32_t Init() {
    const int error = uv_check_init(state_->loop(), &check_);
    if (error != 0) return error;
    check_.data = this;
    HandleOpened();
    uv_unref(reinterpret_cast<uv_handle_t*>(&check_));
    return 0;
  }

  int32_t Start() { return uv_check_start(&check_, OnCheck); }

  int32_t Watch(int fd, int32_t slot, int32_t generation) override {
    if (fd < 0) return UV_EBADF;
    if (Find(fd) != nullptr) return UV_EEXIST;
    PollWatch* watch = Create<PollWatch>();
    if (watch == nullptr) return UV_ENOMEM;
    watch->reactor = this;
    watch->slot = slot;
    watch->generation = generation;
    watch->armed = 0;
    int error = uv_poll_init(state_->loop(), &watch->poll, fd);
    if (error != 0) {
      Destroy(watch);
      return error;
    }
    watch->poll.data = watch;
    HandleOpened();
    uv_unref(reinterpret_cast<uv_handle_t*>(&watch->poll));
    // After uv_poll_init, which refuses fds that are not open: the table grows with the largest fd.
    error = Reserve(fd) ? Poll(watch, UV_READABLE | UV_WRITABLE) : UV_ENOMEM;
    if (error == 0) {
      watches_[fd] = watch;
    } else {
      uv_close(reinterpret_cast<uv_handle_t*>(&watch->poll), OnWatchClosed);
    }
    return error;
  }

  int32_t Unwatch(int fd) override {
    PollWatch* watch = Find(fd);
    if (watch == nullptr) return UV_ENOENT;
    watches_[fd] = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(&watch->poll), OnWatchClosed);
    return 0;
  }

  int32_t Arm(int fd, int32_t events) override {
    PollWatch* watch = Find(fd);
    if (watch == nullptr) return UV_ENOENT;
    int armed = watch->armed;
    if ((events & kReadable) != 0) armed |= UV_READABLE;
    if ((events & kWritable) != 0) armed |= UV_WRITABLE;
    return Poll(watch, armed);
  }

  // The check handle stands for all polls. It does not keep the loop from sleeping, as an idle
  // handle would.
  void Hold(bool on) override {
    uv_handle_t* handle = reinterpret_cast<uv_handle_t*>(&check_);
    if (on) {
      uv_ref(handle);
    } else {
      uv_unref(handle);
    }
  }

  void Close() override {
    delivery_.Close();
    collected_ = 0;
    for (size_t fd = 0; fd < capacity_; fd++) {
      if (watches_[fd] != nullptr) Unwatch(static_cast<int>(fd));
    }
    uv_close(reinterpret_cast<uv_handle_t*>(&check_), OnCheckClosed);
  }

 private:
  PollWatch* Find(int fd) const {
    return fd >= 0 && static_cast<size_t>(fd) < capacity_ ? watches_[fd] : nullptr;
  }

  bool Reserve(int fd) {
    const size_t index = static_cast<size_t>(fd);
    if (index < capacity_) return true;
    size_t capacity = capacity_ == 0 ? 64 : capacity_;
    while (capacity <= index) capacity *= 2;
    void* grown = realloc(watches_, capacity * sizeof(PollWatch*));
    if (grown == nullptr) return false;
    watches_ = static_cast<PollWatch**>(grown);
    memset(watches_ + capacity_, 0, (capacity - capacity_) * sizeof(PollWatch*));
    capacity_ = capacity;
    return true;
  }

  static int Poll(PollWatch* watch, int armed) {
    watch->armed = armed;
    return armed == 0 ? uv_poll_stop(&watch->poll) : uv_poll_start(&watch->poll, armed, OnReady);
  }

  static void OnReady(uv_poll_t* handle, int status, int events) {
    PollWatch* watch = static_cast<PollWatch*>(handle->data);
    int32_t ready = 0;
    if (status != 0) {
      // libuv reports every error condition of the fd in this way, and has stopped the handle.
      watch->armed = 0;
      ready = kException;
    } else {
      if ((events & UV_READABLE) != 0) ready |= kReadable;
      if ((events & UV_WRITABLE) != 0) ready |= kWritable;
      // This call cannot fail: the handle is open.
      Poll(watch, watch->armed & ~events);
    }
    watch->reactor->Collect({watch->slot, watch->generation, ready});
  }

  // A batch is delivered when the loop has called all polls of this turn, or earlier if the batch
  // is full.
  void Collect(const ReactorEvent& event) {
    events_[collected_++] = event;
    if (collected_ == kReactorBatch) Flush();
  }

  static void OnCheck(uv_check_t* handle) { static_cast<PollReactor*>(handle->data)->Flush(); }

  void Flush() {
    if (collected_ == 0) return;
    const int count = collected_;
    collected_ = 0;
    delivery_.Send(events_, count);
  }

  static void OnWatchClosed(uv_handle_t* handle) {
    PollWatch* watch = static_cast<PollWatch*>(handle->data);
    PollReactor* reactor = watch->reactor;
    Destroy(watch);
    reactor->HandleClosed();
  }

  static void OnCheckClosed(uv_handle_t* handle) {
    static_cast<PollReactor*>(handle->data)->HandleClosed();
  }

  void HandleOpened() {
    open_handles_++;
    state_->HandleOpened();
  }

  // Every close callback needs the reactor, so the last one frees it. Until the reactor is closed,
  // the check handle is open, so no other callback is the last one.
  void HandleClosed() {
    EnvState* state = state_;
    if (--open_handles_ == 0) {
      free(watches_);
      Destroy(this);
    }
    state->HandleClosed();
  }

  EnvState* state_;
  Delivery delivery_;
  uv_check_t check_ = {};
  PollWatch** watches_ = nullptr;
  size_t capacity_ = 0;
  size_t open_handles_ = 0;
  int collected_ = 0;
  ReactorEvent events_[kReactorBatch];
};

}  // namespace

Reactor* OpenPollReactor(EnvState* state, Delivery delivery, int32_t* error) {
  return OpenReactor<PollReactor>(state, delivery, error);
}

}  // namespace sockscope

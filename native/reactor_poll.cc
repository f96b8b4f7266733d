// One uv_poll_t per fd, for systems without epoll, and as a check on the epoll reactor. libuv polls
// level-triggered, so a direction that was reported leaves the interest until JavaScript arms it
// again. The comment at the head of reactor_epoll.cc compares the two.
//
// A duplicate of the fd is polled, which belongs to the reactor alone. libuv aborts the process if
// an fd that it polls was closed, and two handles for one number break each other. So other code
// must not be able to close a polled fd, nor libuv to get its number for a socket of Node.
//
// A state that stays, such as an unread error queue or a hang-up, is reported anew as soon as
// JavaScript arms the direction. If the call that followed the event would block, and that twice in
// a row, the fd is polled again only after a delay, which bounds the cost of such a state. While
// the process is at its limit of fds, there is no duplicate. The fd itself is then asked, by
// poll(2), in the same intervals. JavaScript keeps the time: Deno offers no timers of libuv.

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "env_state.h"
#include "memory.h"
#include "reactor.h"
#include "result.h"

namespace sockscope {

namespace {

class PollReactor;

struct PollWatch {
  uv_poll_t poll = {};
  PollReactor* reactor = nullptr;
  int fd = -1;
  // The duplicate that libuv polls; -1 while there is none, and then `poll` is not open.
  int copy = -1;
  int32_t slot = 0;
  int32_t generation = 0;
  int armed = 0;
  // An event was reported since the watch was armed.
  bool reported = false;
  // Events in a row after which the call of JavaScript would block.
  int fruitless = 0;
  // In the list of watches that wait for `Resume`.
  bool delayed = false;
  PollWatch* previous = nullptr;
  PollWatch* next = nullptr;
};

constexpr int kMaxFruitless = 2;

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
    watch->fd = fd;
    watch->slot = slot;
    watch->generation = generation;
    watch->armed = UV_READABLE | UV_WRITABLE;
    int error = Open(watch);
    if (error != 0 && error != UV_EMFILE) {
      Destroy(watch);
      return error;
    }
    // After `Open`, which refuses fds that are not open: the table grows with the largest fd.
    if (Reserve(fd)) {
      watches_[fd] = watch;
      error = error == UV_EMFILE ? Delay(watch) : Poll(watch, watch->armed);
    } else {
      error = UV_ENOMEM;
    }
    if (error < 0) End(watch);
    return error;
  }

  int32_t Unwatch(int fd) override {
    PollWatch* watch = Find(fd);
    if (watch == nullptr) return UV_ENOENT;
    End(watch);
    return 0;
  }

  int32_t Arm(int fd, int32_t events) override {
    PollWatch* watch = Find(fd);
    if (watch == nullptr) return UV_ENOENT;
    int armed = watch->armed;
    if ((events & kReadable) != 0) armed |= UV_READABLE;
    if ((events & kWritable) != 0) armed |= UV_WRITABLE;
    if ((events & kAgain) == 0) {
      watch->fruitless = 0;
    } else if (watch->reported && watch->fruitless < kMaxFruitless) {
      watch->fruitless++;
    }
    watch->reported = false;
    watch->armed = armed;
    if (watch->delayed) return kDelayed;
    const bool delay = watch->copy == -1 || watch->fruitless == kMaxFruitless;
    return delay ? Delay(watch) : Poll(watch, armed);
  }

  int32_t Resume() override {
    // Watches that are delayed meanwhile are the newest, so they wait for the next time. A full
    // batch enters JavaScript, which may end any watch.
    for (size_t left = delayed_count_; left > 0 && oldest_delayed_ != nullptr; left--) {
      PollWatch* watch = oldest_delayed_;
      Remove(watch);
      Resume(watch);
    }
    Flush();
    return delayed_count_ > 0 ? kDelayed : 0;
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

  bool Reserve(int fd) { return GrowTo(fd, &watches_, &capacity_); }

  // Opens the duplicate of an fd, and its handle. Returns 0, or a negative code, and then there is
  // neither.
  int Open(PollWatch* watch) {
    const int copy = Result(fcntl(watch->fd, F_DUPFD_CLOEXEC, 0));
    if (copy < 0) return copy;
    const int error = uv_poll_init(state_->loop(), &watch->poll, copy);
    if (error != 0) {
      close(copy);
      return error;
    }
    watch->copy = copy;
    watch->poll.data = watch;
    HandleOpened();
    uv_unref(reinterpret_cast<uv_handle_t*>(&watch->poll));
    return 0;
  }

  void End(PollWatch* watch) {
    if (Find(watch->fd) == watch) watches_[watch->fd] = nullptr;
    if (watch->delayed) Remove(watch);
    if (watch->copy == -1) {
      Destroy(watch);
      return;
    }
    uv_close(reinterpret_cast<uv_handle_t*>(&watch->poll), OnWatchClosed);
    // After uv_close(), libuv does not touch the fd.
    close(watch->copy);
  }

  // Stops polling until `Resume`.
  int Delay(PollWatch* watch) {
    if (watch->copy != -1) uv_poll_stop(&watch->poll);
    watch->delayed = true;
    watch->next = newest_delayed_;
    (newest_delayed_ == nullptr ? oldest_delayed_ : newest_delayed_->previous) = watch;
    newest_delayed_ = watch;
    delayed_count_++;
    return kDelayed;
  }

  void Remove(PollWatch* watch) {
    watch->delayed = false;
    (watch->previous == nullptr ? newest_delayed_ : watch->previous->next) = watch->next;
    (watch->next == nullptr ? oldest_delayed_ : watch->next->previous) = watch->previous;
    watch->previous = nullptr;
    watch->next = nullptr;
    delayed_count_--;
  }

  void Resume(PollWatch* watch) {
    if (watch->copy != -1 || Open(watch) == 0) {
      // This call cannot fail: the handle is open.
      Poll(watch, watch->armed);
      return;
    }
    pollfd entry = {};
    entry.fd = watch->fd;
    if ((watch->armed & UV_READABLE) != 0) entry.events |= POLLIN;
    if ((watch->armed & UV_WRITABLE) != 0) entry.events |= POLLOUT;
    int32_t ready = 0;
    if (entry.events != 0 && Retry([&] { return poll(&entry, 1, 0); }) > 0) {
      if ((entry.revents & POLLIN) != 0) ready |= kReadable;
      if ((entry.revents & POLLOUT) != 0) ready |= kWritable;
      // POLLNVAL too: the next call of JavaScript gets the error.
      if ((entry.revents & ~(POLLIN | POLLOUT)) != 0) ready |= kException;
    }
    // As libuv does: an exception ends all interest, an event that of its direction.
    if ((ready & kReadable) != 0) watch->armed &= ~UV_READABLE;
    if ((ready & kWritable) != 0) watch->armed &= ~UV_WRITABLE;
    if ((ready & kException) != 0) watch->armed = 0;
    if (watch->armed != 0) Delay(watch);
    // The last step: a full batch enters JavaScript, which may end the watch.
    if (ready != 0) Report(watch, ready);
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
    watch->reactor->Report(watch, ready);
  }

  void Report(PollWatch* watch, int32_t ready) {
    watch->reported = true;
    Collect({watch->slot, watch->generation, ready});
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
  // The watches that wait for `Resume`.
  PollWatch* newest_delayed_ = nullptr;
  PollWatch* oldest_delayed_ = nullptr;
  size_t delayed_count_ = 0;
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

#ifndef SOCKSCOPE_REACTOR_H_
#define SOCKSCOPE_REACTOR_H_

#include <node_api.h>
#include <stdint.h>
#include <uv.h>

#include "memory.h"

namespace sockscope {

class EnvState;

enum class ReactorKind { kEpoll, kPoll };

#ifdef __linux__
constexpr ReactorKind kDefaultReactor = ReactorKind::kEpoll;
#else
constexpr ReactorKind kDefaultReactor = ReactorKind::kPoll;
#endif

// The third number of each triple that JavaScript gets. An exception is an error, a hang-up of
// either side, or urgent data. That state stays, concerns both directions, and may be hidden behind
// data: a short read does not prove that nothing follows.
enum ReadyEvents : int32_t { kReadable = 1, kWritable = 2, kException = 4 };

// Beside the directions that `Arm` asks for: after the last event, the call would block.
constexpr int32_t kAgain = 8;
// The result of `Arm` for an fd that is not polled before `Resume`.
constexpr int32_t kDelayed = 1;

struct ReactorEvent {
  int32_t slot;
  int32_t generation;
  int32_t events;
};

// The most events that one entry into JavaScript carries.
constexpr int kReactorBatch = 256;
// The most entries that one turn of the loop makes. The remaining events wait for the next turn, so
// that timers and other handles get theirs.
constexpr int kReactorRounds = 4;

// The way into JavaScript: the Int32Array, the function, and the async context of its calls.
class Delivery {
 public:
  // The array and the function are referred to weakly: the binding keeps them (env_state.cc).
  // Returns 0, or a negative code, and then holds nothing.
  int32_t Open(napi_env env, napi_value events, napi_value deliver);
  // Calls JavaScript with the events, in as many calls as the array needs. JavaScript may change
  // anything meanwhile. False if JavaScript can no longer be entered, because the environment is
  // going down.
  bool Send(const ReactorEvent* events, int count);
  // Releases everything. `Send` must not be called after it.
  void Close();

 private:
  napi_env env_ = nullptr;
  napi_ref events_ = nullptr;
  napi_ref deliver_ = nullptr;
  napi_async_context context_ = nullptr;
};

// Readiness of fds on the loop of one environment. The reactor borrows the fds, and never closes
// one. The owner of a watched fd ends the watch before it closes the fd: the kernel drops a
// registration only when the last duplicate of the fd is closed.
//
// To be used on the loop's thread only. Never deleted: after `Close`, its last close callback frees
// it.
class Reactor {
 public:
  // Whether this platform has that kind.
  static bool Available(ReactorKind kind) {
    return kind == ReactorKind::kPoll || kind == kDefaultReactor;
  }
  // Null, and a negative code in `error`, if the reactor cannot be opened. Takes over `delivery`,
  // which is open, in either case.
  static Reactor* Open(EnvState* state, ReactorKind kind, Delivery delivery, int32_t* error);

  virtual int32_t Watch(int fd, int32_t slot, int32_t generation) = 0;
  // UV_ENOENT if the fd is not watched. The fd must be open.
  virtual int32_t Unwatch(int fd) = 0;
  // 0, kDelayed, or a negative code.
  virtual int32_t Arm(int fd, int32_t events) = 0;
  // Polls the delayed fds. kDelayed if some of them stay delayed. May call JavaScript.
  virtual int32_t Resume() = 0;
  // A held reactor keeps the loop alive.
  virtual void Hold(bool on) = 0;
  // Ends all watches at once. The fds may be closed right after.
  virtual void Close() = 0;

 protected:
  ~Reactor() = default;
};

#ifdef __linux__
Reactor* OpenEpollReactor(EnvState* state, Delivery delivery, int32_t* error);
#endif
Reactor* OpenPollReactor(EnvState* state, Delivery delivery, int32_t* error);

// Opens a reactor of a known class. If its `Init` fails, nothing is left to close; after that,
// `Close` ends the reactor.
template <typename Kind>
Reactor* OpenReactor(EnvState* state, Delivery delivery, int32_t* error) {
  Kind* reactor = Create<Kind>(state, delivery);
  *error = reactor == nullptr ? UV_ENOMEM : reactor->Init();
  if (*error != 0) {
    if (reactor != nullptr) Destroy(reactor);
    delivery.Close();
    return nullptr;
  }
  *error = reactor->Start();
  if (*error == 0) return reactor;
  reactor->Close();
  return nullptr;
}

}  // namespace sockscope

#endif  // SOCKSCOPE_REACTOR_H_

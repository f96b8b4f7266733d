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

// What JavaScript sees in a triple's third place. An exception is an error, a hang-up of either
// side or urgent data: a state that stays, concerns both directions, and may be hidden behind data
// (a short read does not prove that nothing follows).
enum ReadyEvents : int32_t { kReadable = 1, kWritable = 2, kException = 4 };

struct ReactorEvent {
  int32_t slot;
  int32_t generation;
  int32_t events;
};

// As many events as one entry into JavaScript carries, at most.
constexpr int kReactorBatch = 256;
// As many entries as one turn of the loop makes, at most: the rest waits for the next turn, so that
// timers and other handles have theirs.
constexpr int kReactorRounds = 4;

// The way into JavaScript: the Int32Array, the function, and the context that it is called in.
class Delivery {
 public:
  // 0, or a negative code; then nothing is held.
  int32_t Open(napi_env env, napi_value events, napi_value deliver);
  // Calls JavaScript with the events, in as many calls as the array needs. After it returns,
  // JavaScript may have changed anything. False if JavaScript can no longer be entered: the
  // environment is going down.
  bool Send(const ReactorEvent* events, int count);
  // Gives up what is held. No Send after it.
  void Close();

 private:
  napi_env env_ = nullptr;
  napi_ref events_ = nullptr;
  napi_ref deliver_ = nullptr;
  napi_async_context context_ = nullptr;
};

// Readiness of fds on the loop of one environment. Borrows the fds: it never closes one. Whoever
// closes a watched fd unwatches it first, because the kernel forgets a registration only when the
// last duplicate of the fd is closed.
//
// To be used on the loop's thread only. Not deleted: `Close` starts its end, and its last close
// callback frees it.
class Reactor {
 public:
  // Whether this platform has it.
  static bool Available(ReactorKind kind) {
    return kind == ReactorKind::kPoll || kind == kDefaultReactor;
  }
  // Null, and a negative code in `error`, if it cannot be opened. Takes an opened `delivery` over
  // in either case.
  static Reactor* Open(EnvState* state, ReactorKind kind, Delivery delivery, int32_t* error);

  virtual int32_t Watch(int fd, int32_t slot, int32_t generation) = 0;
  // UV_ENOENT if the fd is not watched. Until it returns, the fd must be open.
  virtual int32_t Unwatch(int fd) = 0;
  virtual int32_t Arm(int fd, int32_t events) = 0;
  // While held, it keeps the loop alive.
  virtual void Hold(bool on) = 0;
  // Stops all watching at once: the fds may be closed right after.
  virtual void Close() = 0;

 protected:
  ~Reactor() = default;
};

#ifdef __linux__
Reactor* OpenEpollReactor(EnvState* state, Delivery delivery, int32_t* error);
#endif
Reactor* OpenPollReactor(EnvState* state, Delivery delivery, int32_t* error);

// Both of them, where the class is known. Its Init leaves nothing behind if it fails; once that was
// well, Close ends it.
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

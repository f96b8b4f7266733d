#ifndef SOCKSCOPE_ENV_STATE_H_
#define SOCKSCOPE_ENV_STATE_H_

#include <node_api.h>
#include <uv.h>

#include "fd_table.h"
#include "reactor.h"
#include "received_fds.h"
#include "resolver.h"

namespace sockscope {

class EnvState;

// The states of one loaded addon in one environment. The environment's instance data: Node frees it
// when the environment has ended.
struct Environment {
  ~Environment();

  // Those that have not ended.
  EnvState* open = nullptr;
  // Those that have: the functions of a binding keep the address of their state.
  EnvState* ended = nullptr;
};

// All state of one binding in one environment (the main thread, or one worker): the addon has no
// mutable statics.
//
// Each evaluation of the package in JavaScript opens a binding of its own, with a reactor and a
// resolver: a test runner evaluates the package once per test file, and all evaluations may be
// alive at once. Every exported function gets the state as its data.
//
// A state ends with its environment or, if its evaluation is forgotten, when the binding is
// garbage-collected. It ends the watches, and then closes the fds. An async cleanup hook holds the
// environment until the last close callback of libuv. Node frees the state, through the
// environment's instance data, after that.
class EnvState {
 public:
  // Null if the environment is going down, or memory is short.
  static EnvState* New(napi_env env, napi_value binding, Environment* environment);
  // For New only.
  EnvState(napi_env env, uv_loop_t* loop, Environment* environment)
      : env_(env), loop_(loop), environment_(environment) {}

  napi_env env() const { return env_; }
  uv_loop_t* loop() const { return loop_; }

  // Ownership of fds. An owned fd is closed with the environment, unless it is released or closed
  // before.
  //
  // Takes an fd that the kernel has just made. Returns the fd, or UV_ENOMEM after closing it.
  int32_t Own(int fd);
  // Takes an fd from a control message, which is `received()` from then on.
  void OwnReceived(int fd);
  // Takes an open fd that another part of the process made, or one of `received()`. Returns 0, or a
  // negative code, and then the fd is unchanged. UV_EEXIST if this environment owns the fd already.
  int32_t Adopt(int fd);
  // Stops watching an fd, and forgets it without closing it. UV_EBADF if it is not owned.
  int32_t Release(int fd);
  size_t owned_count() const { return fds_.owned_count() + received_.count(); }
  ReceivedFds& received() { return received_; }
  // Grows with every fd that is released or closed. JavaScript that ran in the middle of a call may
  // have closed the fd of that call: then the number may have another owner.
  uint32_t releases() const { return releases_; }

  // The reactor. `OpenReactor` makes it.
  ReactorKind reactor_kind() const { return reactor_kind_; }
  // Chooses the reactor. False if it is open already, or if this platform does not have that kind.
  bool UseReactor(ReactorKind kind);
  int32_t OpenReactor(napi_value events, napi_value deliver);
  int32_t Watch(int fd, int32_t slot, int32_t generation);
  int32_t Arm(int fd, int32_t events);
  int32_t ResumeDelayed() { return reactor_ == nullptr ? 0 : reactor_->Resume(); }
  void Hold(bool on);

  // The first call makes the resolver. Null, and a negative code in `error`, if that fails.
  Resolver* OpenResolver(int32_t* error);

  // Count the libuv handles below this state: each from its successful init to its close callback.
  void HandleOpened() { open_handles_++; }
  void HandleClosed();

 private:
  friend struct Environment;

  static void OnCleanup(napi_async_cleanup_hook_handle hook, void* state);
  static void OnCollected(napi_env env, void* state, void* hint);
  void End();
  void Leave();
  void RemoveHookIfDone();
  bool Keep(napi_value events, napi_value deliver);
  void UnwatchIfWatched(int fd);
  // The kernel has given the number to another state: what is known about it is void.
  void Forget(int fd);
  void ForgetElsewhere(int fd);
  void Unlink();

  napi_env env_;
  uv_loop_t* loop_;
  Environment* environment_;
  // The neighbours in a list of the environment; of those that have ended, the next one alone.
  EnvState* previous_ = nullptr;
  EnvState* next_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  // The binding: strong while an fd is watched, so that an evaluation that nothing else refers to
  // goes on with its waits. Weak otherwise.
  napi_ref binding_ = nullptr;
  size_t watched_count_ = 0;
  FdTable fds_;
  ReceivedFds received_;
  Reactor* reactor_ = nullptr;
  ReactorKind reactor_kind_ = kDefaultReactor;
  Resolver* resolver_ = nullptr;
  size_t open_handles_ = 0;
  // The environment, and the finalizer of the binding. The last one frees the state.
  int owners_ = 1;
  uint32_t releases_ = 0;
  bool ending_ = false;
};

}  // namespace sockscope

#endif  // SOCKSCOPE_ENV_STATE_H_

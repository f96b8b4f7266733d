#ifndef SOCKSCOPE_ENV_STATE_H_
#define SOCKSCOPE_ENV_STATE_H_

#include <node_api.h>
#include <uv.h>

#include "fd_table.h"
#include "reactor.h"
#include "resolver.h"

namespace sockscope {

// All state of one environment (the main thread, or one worker): nothing in this addon is static
// and mutable.
//
// Made when the module is initialised, and handed to every exported function as its data. An async
// cleanup hook takes it down in this order: watchers, then fds, then, when libuv has called the
// last close callback, the memory.
class EnvState {
 public:
  // Null if the environment is going down or memory is short.
  static EnvState* New(napi_env env);
  // For New only.
  EnvState(napi_env env, uv_loop_t* loop) : env_(env), loop_(loop) {}

  napi_env env() const { return env_; }
  uv_loop_t* loop() const { return loop_; }

  // Ownership of fds. Each is closed with the environment, unless released or closed before.
  // Own: an fd that has just come from the kernel. Returns it, or UV_ENOMEM, and then it is closed.
  int32_t Own(int fd);
  // The same for one out of a control message, until JavaScript has read that: a worker may be
  // terminated in between.
  int32_t OwnReceived(int fd);
  // Nothing for other fds.
  void ReleaseReceived(int fd);
  // An open fd from elsewhere: 0, or a negative code, and then it stays as it was. UV_EEXIST if it
  // is owned here already.
  int32_t Adopt(int fd);
  // Stops watching and forgets. UV_EBADF if it is not owned.
  int32_t Release(int fd);
  size_t owned_count() const { return fds_.owned_count(); }

  // The reactor, made by `OpenReactor`.
  ReactorKind reactor_kind() const { return reactor_kind_; }
  // False once the reactor is open, or if this platform does not have that kind.
  bool UseReactor(ReactorKind kind);
  int32_t OpenReactor(napi_value events, napi_value deliver);
  int32_t Watch(int fd, int32_t slot, int32_t generation);
  int32_t Arm(int fd, int32_t events);
  void Hold(bool on);

  // Made at the first call. Null, and a negative code in `error`, if it cannot be.
  Resolver* OpenResolver(int32_t* error);

  // Every libuv handle under this state is counted, from its successful init to its close callback.
  void HandleOpened() { open_handles_++; }
  void HandleClosed();

 private:
  static void OnCleanup(napi_async_cleanup_hook_handle hook, void* state);
  void FreeIfDone();
  void UnwatchIfWatched(int fd);

  napi_env env_;
  uv_loop_t* loop_;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  FdTable fds_;
  Reactor* reactor_ = nullptr;
  ReactorKind reactor_kind_ = kDefaultReactor;
  Resolver* resolver_ = nullptr;
  size_t open_handles_ = 0;
  bool ending_ = false;
};

}  // namespace sockscope

#endif  // SOCKSCOPE_ENV_STATE_H_

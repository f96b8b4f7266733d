#ifndef SOCKSCOPE_ENV_STATE_H_
#define SOCKSCOPE_ENV_STATE_H_

#include <node_api.h>
#include <uv.h>

#include "fd_table.h"
#include "reactor.h"
#include "resolver.h"

namespace sockscope {

// All state of one environment (the main thread, or one worker): the addon has no mutable statics.
//
// Made when the addon is loaded. Every exported function gets the state as its data. An async
// cleanup hook ends the watches, and then closes the fds. The last close callback of libuv removes
// the hook, and Node frees the state, which is the environment's instance data, after that.
class EnvState {
 public:
  // Null if the environment is going down, or memory is short.
  static EnvState* New(napi_env env);
  // For New only.
  EnvState(napi_env env, uv_loop_t* loop) : env_(env), loop_(loop) {}

  napi_env env() const { return env_; }
  uv_loop_t* loop() const { return loop_; }

  // Ownership of fds. An owned fd is closed with the environment, unless it is released or closed
  // before.
  //
  // Takes an fd that the kernel has just made. Returns the fd, or UV_ENOMEM after closing it.
  int32_t Own(int fd);
  // The same for an fd from a control message, until JavaScript reads that message: a worker may be
  // terminated in between.
  int32_t OwnReceived(int fd);
  // Releases an fd that `OwnReceived` took. Does nothing for other fds.
  void ReleaseReceived(int fd);
  // Takes an open fd that another part of the process made. Returns 0, or a negative code, and then
  // the fd is unchanged. UV_EEXIST if this environment owns the fd already.
  int32_t Adopt(int fd);
  // Stops watching an fd, and forgets it without closing it. UV_EBADF if it is not owned.
  int32_t Release(int fd);
  size_t owned_count() const { return fds_.owned_count(); }

  // The reactor. `OpenReactor` makes it.
  ReactorKind reactor_kind() const { return reactor_kind_; }
  // Chooses the reactor. False if it is open already, or if this platform does not have that kind.
  bool UseReactor(ReactorKind kind);
  int32_t OpenReactor(napi_value events, napi_value deliver);
  int32_t Watch(int fd, int32_t slot, int32_t generation);
  int32_t Arm(int fd, int32_t events);
  void Hold(bool on);

  // The first call makes the resolver. Null, and a negative code in `error`, if that fails.
  Resolver* OpenResolver(int32_t* error);

  // Count the libuv handles below this state: each from its successful init to its close callback.
  void HandleOpened() { open_handles_++; }
  void HandleClosed();

 private:
  static void OnCleanup(napi_async_cleanup_hook_handle hook, void* state);
  void RemoveHookIfDone();
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

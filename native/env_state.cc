#include "env_state.h"

#include <napi.h>
#include <unistd.h>

#include "memory.h"

namespace sockscope {

namespace {

void Free(Napi::Env, EnvState* state) { Destroy(state); }

}  // namespace

EnvState* EnvState::New(napi_env env) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return nullptr;
  EnvState* state = Create<EnvState>(env, loop);
  if (state == nullptr) return nullptr;
  Napi::Env(env).SetInstanceData<EnvState, Free>(state);
  // node-addon-api has no async cleanup hooks. A plain one would have to end before libuv calls the
  // close callbacks.
  const bool added = napi_add_async_cleanup_hook(env, OnCleanup, state, &state->hook_) == napi_ok;
  return added ? state : nullptr;
}

int32_t EnvState::Own(int fd) {
  if (!fds_.Reserve(fd)) {
    close(fd);
    return UV_ENOMEM;
  }
  // The kernel has just given this number out. If the number is watched, other code has closed the
  // watched fd: the watch is void.
  UnwatchIfWatched(fd);
  fds_.SetOwned(fd);
  return fd;
}

int32_t EnvState::OwnReceived(int fd) {
  const int32_t result = Own(fd);
  if (result >= 0) fds_.SetReceived(fd);
  return result;
}

void EnvState::ReleaseReceived(int fd) {
  if (fds_.IsReceived(fd)) Release(fd);
}

int32_t EnvState::Adopt(int fd) {
  if (fd < 0) return UV_EBADF;
  if (fds_.Owns(fd)) return UV_EEXIST;
  if (!fds_.Reserve(fd)) return UV_ENOMEM;
  fds_.SetOwned(fd);
  return 0;
}

int32_t EnvState::Release(int fd) {
  if (!fds_.Owns(fd)) return UV_EBADF;
  UnwatchIfWatched(fd);
  fds_.SetReleased(fd);
  return 0;
}

bool EnvState::UseReactor(ReactorKind kind) {
  if (reactor_ != nullptr || !Reactor::Available(kind)) return false;
  reactor_kind_ = kind;
  return true;
}

int32_t EnvState::OpenReactor(napi_value events, napi_value deliver) {
  if (reactor_ != nullptr) return UV_EALREADY;
  Delivery delivery;
  int32_t error = delivery.Open(env_, events, deliver);
  if (error == 0) reactor_ = Reactor::Open(this, reactor_kind_, delivery, &error);
  return error;
}

int32_t EnvState::Watch(int fd, int32_t slot, int32_t generation) {
  if (reactor_ == nullptr) return UV_EINVAL;
  // The system call comes first, because it refuses fds that are not open. The table grows with the
  // largest fd.
  const int32_t error = reactor_->Watch(fd, slot, generation);
  if (error < 0) return error;
  if (!fds_.Reserve(fd)) {
    reactor_->Unwatch(fd);
    return UV_ENOMEM;
  }
  fds_.SetWatched(fd, true);
  return 0;
}

void EnvState::UnwatchIfWatched(int fd) {
  if (!fds_.IsWatched(fd)) return;
  fds_.SetWatched(fd, false);
  reactor_->Unwatch(fd);
}

int32_t EnvState::Arm(int fd, int32_t events) {
  if (!fds_.IsWatched(fd)) return UV_ENOENT;
  return reactor_->Arm(fd, events);
}

void EnvState::Hold(bool on) {
  if (reactor_ != nullptr) reactor_->Hold(on);
}

Resolver* EnvState::OpenResolver(int32_t* error) {
  if (resolver_ == nullptr) resolver_ = Resolver::Open(this, error);
  return resolver_;
}

void EnvState::HandleClosed() {
  open_handles_--;
  RemoveHookIfDone();
}

void EnvState::OnCleanup(napi_async_cleanup_hook_handle, void* data) {
  EnvState* state = static_cast<EnvState*>(data);
  state->ending_ = true;
  if (state->reactor_ != nullptr) state->reactor_->Close();
  if (state->resolver_ != nullptr) state->resolver_->Close();
  for (int fd = state->fds_.NextOwned(0); fd != -1; fd = state->fds_.NextOwned(fd + 1)) close(fd);
  state->RemoveHookIfDone();
}

void EnvState::RemoveHookIfDone() {
  if (!ending_ || open_handles_ > 0) return;
  // Node waits for this call before it ends the environment and calls `Free`.
  napi_remove_async_cleanup_hook(hook_);
}

}  // namespace sockscope

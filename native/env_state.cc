#include "env_state.h"

#include <unistd.h>

#include "memory.h"
#include "no_wait.h"

namespace sockscope {

Environment::~Environment() {
  for (EnvState** list : {&open, &ended}) {
    for (EnvState* state = *list; state != nullptr;) {
      EnvState* next = state->next_;
      state->environment_ = nullptr;
      state->Leave();
      state = next;
    }
  }
}

EnvState* EnvState::New(napi_env env, napi_value binding, Environment* environment) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return nullptr;
  EnvState* state = Create<EnvState>(env, loop, environment);
  if (state == nullptr) return nullptr;
  // node-addon-api has no async cleanup hooks. A plain one would have to end before libuv calls the
  // close callbacks.
  if (napi_create_reference(env, binding, 0, &state->binding_) != napi_ok ||
      napi_add_async_cleanup_hook(env, OnCleanup, state, &state->hook_) != napi_ok) {
    if (state->binding_ != nullptr) napi_delete_reference(env, state->binding_);
    Destroy(state);
    return nullptr;
  }
  if (napi_add_finalizer(env, binding, state, OnCollected, nullptr, nullptr) == napi_ok)
    state->owners_++;
  state->next_ = environment->open;
  if (state->next_ != nullptr) state->next_->previous_ = state;
  environment->open = state;
  return state;
}

int32_t EnvState::Own(int fd) {
  if (ending_ || !fds_.Reserve(fd)) {
    close(fd);
    return ending_ ? UV_ECANCELED : UV_ENOMEM;
  }
  // The kernel has just given this number out. If the number is watched, other code has closed the
  // watched fd: the watch is void. So is what another state knows about the number.
  UnwatchIfWatched(fd);
  ForgetElsewhere(fd);
  fds_.SetOwned(fd);
  received_.Forget(fd);
  return fd;
}

void EnvState::OwnReceived(int fd) {
  if (ending_) {
    CloseNoWait(fd);
    return;
  }
  // As in `Own`: what was known by this number was closed by other code.
  Release(fd);
  ForgetElsewhere(fd);
  received_.Add(fd);
}

int32_t EnvState::Adopt(int fd) {
  if (fd < 0) return UV_EBADF;
  if (ending_) return UV_ECANCELED;
  for (EnvState* state = environment_->open; state != nullptr; state = state->next_) {
    if (state->fds_.Owns(fd)) return UV_EEXIST;
  }
  if (!fds_.Reserve(fd)) return UV_ENOMEM;
  fds_.SetOwned(fd);
  return 0;
}

int32_t EnvState::Release(int fd) {
  if (!fds_.Owns(fd)) return UV_EBADF;
  UnwatchIfWatched(fd);
  fds_.SetReleased(fd);
  releases_++;
  return 0;
}

bool EnvState::UseReactor(ReactorKind kind) {
  if (reactor_ != nullptr || !Reactor::Available(kind)) return false;
  reactor_kind_ = kind;
  return true;
}

int32_t EnvState::OpenReactor(napi_value events, napi_value deliver) {
  if (reactor_ != nullptr) return UV_EALREADY;
  if (ending_) return UV_ECANCELED;
  Delivery delivery;
  int32_t error = delivery.Open(env_, events, deliver);
  if (error == 0 && !Keep(events, deliver)) {
    delivery.Close();
    error = UV_ECANCELED;
  }
  if (error == 0) reactor_ = Reactor::Open(this, reactor_kind_, delivery, &error);
  return error;
}

// The binding keeps both alive, and `Delivery` refers to them weakly. Strong references of native
// code would keep a forgotten evaluation alive for ever.
bool EnvState::Keep(napi_value events, napi_value deliver) {
  napi_value binding = nullptr;
  if (napi_get_reference_value(env_, binding_, &binding) != napi_ok || binding == nullptr)
    return false;
  napi_property_descriptor kept[2] = {};
  kept[0].utf8name = "events";
  kept[0].value = events;
  kept[1].utf8name = "deliver";
  kept[1].value = deliver;
  // As a property that is not enumerable. A second attempt to open the reactor redefines it.
  for (napi_property_descriptor& property : kept) property.attributes = napi_configurable;
  return napi_define_properties(env_, binding, 2, kept) == napi_ok;
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
  if (watched_count_++ == 0) napi_reference_ref(env_, binding_, nullptr);
  return 0;
}

void EnvState::UnwatchIfWatched(int fd) {
  if (!fds_.IsWatched(fd)) return;
  fds_.SetWatched(fd, false);
  reactor_->Unwatch(fd);
  if (--watched_count_ == 0) napi_reference_unref(env_, binding_, nullptr);
}

void EnvState::Forget(int fd) {
  UnwatchIfWatched(fd);
  fds_.SetReleased(fd);
  received_.Forget(fd);
}

void EnvState::ForgetElsewhere(int fd) {
  for (EnvState* other = environment_->open; other != nullptr; other = other->next_) {
    if (other != this) other->Forget(fd);
  }
}

int32_t EnvState::Arm(int fd, int32_t events) {
  if (!fds_.IsWatched(fd)) return UV_ENOENT;
  return reactor_->Arm(fd, events);
}

void EnvState::Hold(bool on) {
  if (reactor_ != nullptr) reactor_->Hold(on);
}

Resolver* EnvState::OpenResolver(int32_t* error) {
  *error = UV_ECANCELED;
  if (ending_) return nullptr;
  if (resolver_ == nullptr) resolver_ = Resolver::Open(this, error);
  return resolver_;
}

void EnvState::HandleClosed() {
  open_handles_--;
  RemoveHookIfDone();
}

void EnvState::OnCleanup(napi_async_cleanup_hook_handle, void* data) {
  static_cast<EnvState*>(data)->End();
}

// Nothing in JavaScript refers to the binding any more, or the environment has ended.
void EnvState::OnCollected(napi_env, void* data, void*) {
  EnvState* state = static_cast<EnvState*>(data);
  state->End();
  state->Leave();
}

// After it, the functions of the binding find no fd that is owned or watched, and get no new one.
void EnvState::End() {
  if (ending_) return;
  ending_ = true;
  if (reactor_ != nullptr) reactor_->Close();
  if (resolver_ != nullptr) resolver_->Close();
  reactor_ = nullptr;
  resolver_ = nullptr;
  for (int fd = fds_.NextOwned(0); fd != -1; fd = fds_.NextOwned(fd + 1)) CloseNoWait(fd);
  received_.CloseAll();
  fds_.Clear();
  napi_delete_reference(env_, binding_);
  Unlink();
  next_ = environment_->ended;
  environment_->ended = this;
  RemoveHookIfDone();
}

void EnvState::Unlink() {
  if (previous_ == nullptr) {
    environment_->open = next_;
  } else {
    previous_->next_ = next_;
  }
  if (next_ != nullptr) next_->previous_ = previous_;
}

void EnvState::Leave() {
  if (--owners_ == 0) Destroy(this);
}

void EnvState::RemoveHookIfDone() {
  if (!ending_ || open_handles_ > 0) return;
  // Node waits for this call before it ends the environment and frees the state.
  napi_remove_async_cleanup_hook(hook_);
}

}  // namespace sockscope

#include "resolver.h"

#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#include "env_state.h"
#include "export_table.h"
#include "js.h"
#include "memory.h"
#include "platform.h"

namespace sockscope {

namespace {

// Threads that run look-ups somebody waits for. So many slow names may hang before a quick one has
// to wait: whether a name is quick (hosts(5)) is known to the resolver of the C library alone.
constexpr int kMaxThreads = 16;
// Threads in all. Those beyond kMaxThreads replace threads that hang in look-ups that nobody waits
// for any more.
constexpr int kMaxThreadsInAll = 64;
constexpr uint64_t kIdleNanoseconds = 10 * 1000000000ull;
// Names are shorter (RFC 1035), and services are words or numbers.
constexpr size_t kMaxText = 1025;

// First in, first out.
struct LookUpList {
  LookUp* first = nullptr;
  LookUp* last = nullptr;

  void Push(LookUp* look_up) {
    look_up->previous = last;
    look_up->next = nullptr;
    if (last == nullptr) {
      first = look_up;
    } else {
      last->next = look_up;
    }
    last = look_up;
  }

  LookUp* Pop() {
    LookUp* look_up = first;
    if (look_up != nullptr) Remove(look_up);
    return look_up;
  }

  void Remove(LookUp* look_up) {
    LookUp* previous = look_up->previous;
    LookUp* next = look_up->next;
    (previous == nullptr ? first : previous->next) = next;
    (next == nullptr ? last : next->previous) = previous;
  }
};

}  // namespace

// What the loop's thread and the resolver's threads share. The locks are libuv's, not pthread's:
// an addon that names no C library gets the oldest version of each symbol, and glibc's oldest
// condition variable is another type.
struct ResolverShared {
  uv_mutex_t mutex;
  uv_cond_t wanted;
  // Everything below is read and written under the mutex.
  LookUpList queue;
  LookUpList done;
  size_t queued = 0;
  int threads = 0;
  int idle = 0;
  // Threads that run a look-up nobody waits for.
  int unwanted = 0;
  // Null once the environment has ended.
  uv_async_t* async = nullptr;
  // One for the environment, and one for each thread.
  int owners = 1;

  // Null, and a negative code in `error`, if it cannot be made.
  static ResolverShared* New(int32_t* error) {
    ResolverShared* shared = Create<ResolverShared>();
    *error = shared == nullptr ? UV_ENOMEM : uv_mutex_init(&shared->mutex);
    if (*error == 0) {
      *error = uv_cond_init(&shared->wanted);
      if (*error == 0) return shared;
      uv_mutex_destroy(&shared->mutex);
    }
    if (shared != nullptr) Destroy(shared);
    return nullptr;
  }

  void Lock() { uv_mutex_lock(&mutex); }
  void Unlock() { uv_mutex_unlock(&mutex); }

  // To be called with the mutex held; unlocks it. The last owner to leave frees the block.
  void Leave() {
    const bool last = --owners == 0;
    Unlock();
    if (!last) return;
    uv_cond_destroy(&wanted);
    uv_mutex_destroy(&mutex);
    Destroy(this);
  }
};

namespace {

void RunThread(void* data) {
  ResolverShared* shared = static_cast<ResolverShared*>(data);
  shared->Lock();
  bool timed_out = false;
  while (shared->async != nullptr) {
    LookUp* look_up = shared->queue.Pop();
    if (look_up == nullptr) {
      if (timed_out) break;
      shared->idle++;
      timed_out =
          uv_cond_timedwait(&shared->wanted, &shared->mutex, kIdleNanoseconds) == UV_ETIMEDOUT;
      shared->idle--;
      continue;
    }
    timed_out = false;
    shared->queued--;
    look_up->state = LookUp::State::kRunning;
    shared->Unlock();
    look_up->Run();
    shared->Lock();
    if (!look_up->wanted) shared->unwanted--;
    if (shared->async == nullptr) {
      // The environment has ended meanwhile, and has deleted the look-up's reference.
      LookUp::Free(look_up);
    } else {
      look_up->state = LookUp::State::kDone;
      shared->done.Push(look_up);
      uv_async_send(shared->async);
    }
    // Another thread has replaced this one while nobody waited for its look-up.
    if (shared->threads - shared->unwanted > kMaxThreads) break;
  }
  shared->threads--;
  shared->Leave();
}

}  // namespace

Resolver* Resolver::Open(EnvState* state, int32_t* error) {
  Resolver* resolver = Create<Resolver>(state);
  *error = resolver == nullptr ? UV_ENOMEM : resolver->Init();
  if (*error == 0) return resolver;
  if (resolver != nullptr) Destroy(resolver);
  return nullptr;
}

int32_t Resolver::Init() {
  // Before a thread runs, because a thread may outlive the last environment that loaded the addon.
  if (!PlatformStayLoaded()) return UV_ENOSYS;
  napi_value name = nullptr;
  // Without a resource object, for the reason that reactor.cc gives.
  if (napi_create_string_utf8(state_->env(), "SOCKSCOPE_LOOKUP", NAPI_AUTO_LENGTH, &name) !=
          napi_ok ||
      napi_async_init(state_->env(), nullptr, name, &context_) != napi_ok) {
    return UV_ECANCELED;
  }
  int32_t error = 0;
  shared_ = ResolverShared::New(&error);
  if (shared_ != nullptr) {
    error = uv_async_init(state_->loop(), &async_, OnAsync);
    if (error != 0) {
      shared_->Lock();
      shared_->Leave();
    }
  }
  if (error != 0) {
    napi_async_destroy(state_->env(), context_);
    return error;
  }
  async_.data = this;
  shared_->async = &async_;
  state_->HandleOpened();
  uv_unref(AsHandle());
  return 0;
}

int32_t Resolver::Submit(LookUp* look_up, napi_value deliver) {
  if (under_way_.Add(look_up) == 0) return UV_ENOMEM;
  if (napi_create_reference(state_->env(), deliver, 1, &look_up->deliver) != napi_ok) {
    under_way_.Remove(look_up);
    return UV_EINVAL;
  }
  shared_->Lock();
  StartThreadIfNeeded(shared_->queued + 1);
  if (shared_->threads == 0) {
    shared_->Unlock();
    napi_delete_reference(state_->env(), look_up->deliver);
    look_up->deliver = nullptr;
    under_way_.Remove(look_up);
    return UV_EAGAIN;
  }
  shared_->queue.Push(look_up);
  shared_->queued++;
  uv_cond_signal(&shared_->wanted);
  // A thread may have run the look-up once the mutex is free, but only this thread delivers it.
  shared_->Unlock();
  CountWanted(true);
  return look_up->ticket;
}

int32_t Resolver::SetWanted(int32_t ticket, bool wanted) {
  LookUp* look_up = under_way_.Find(ticket);
  if (look_up == nullptr) return UV_ENOENT;
  shared_->Lock();
  if (!wanted && look_up->state == LookUp::State::kQueued) {
    shared_->queue.Remove(look_up);
    shared_->queued--;
    shared_->Unlock();
    Forget(look_up);
    LookUp::Free(look_up);
    return 0;
  }
  const bool changed = look_up->wanted != wanted;
  look_up->wanted = wanted;
  if (changed && look_up->state == LookUp::State::kRunning) {
    shared_->unwanted += wanted ? -1 : 1;
    StartThreadIfNeeded(shared_->queued);
  }
  shared_->Unlock();
  if (changed) CountWanted(wanted);
  return 1;
}

// To be called with the mutex held. `waiting` look-ups are queued, or will be. If no thread can be
// made, they wait for a running one; `Submit` fails if there is none.
void Resolver::StartThreadIfNeeded(size_t waiting) {
  if (static_cast<size_t>(shared_->idle) >= waiting || shared_->threads >= kMaxThreadsInAll ||
      shared_->threads - shared_->unwanted >= kMaxThreads)
    return;
  uv_thread_t thread;
  if (uv_thread_create(&thread, RunThread, shared_) != 0) return;
  shared_->threads++;
  shared_->owners++;
  // No thread joins this one: a look-up may hang for minutes.
  pthread_detach(thread);
}

void Resolver::CountWanted(bool wanted) {
  if (wanted && wanted_++ == 0) uv_ref(AsHandle());
  if (!wanted && --wanted_ == 0) uv_unref(AsHandle());
}

void Resolver::OnAsync(uv_async_t* async) {
  Resolver* resolver = static_cast<Resolver*>(async->data);
  ResolverShared* shared = resolver->shared_;
  shared->Lock();
  LookUpList done = shared->done;
  shared->done = LookUpList();
  shared->Unlock();
  for (LookUp* look_up = done.Pop(); look_up != nullptr; look_up = done.Pop())
    resolver->Deliver(look_up);
}

void Resolver::Deliver(LookUp* look_up) {
  napi_env env = state_->env();
  napi_handle_scope scope = nullptr;
  napi_value deliver = nullptr;
  if (napi_open_handle_scope(env, &scope) == napi_ok) {
    napi_value arguments[3];
    if (napi_get_reference_value(env, look_up->deliver, &deliver) == napi_ok &&
        deliver != nullptr) {
      const size_t count = look_up->Results(env, arguments);
      CallFromLoop(env, context_, deliver, count, arguments);
    }
    napi_close_handle_scope(env, scope);
  }
  Forget(look_up);
  LookUp::Free(look_up);
}

// Takes the look-up out of the table of those under way, and deletes its reference.
void Resolver::Forget(LookUp* look_up) {
  napi_delete_reference(state_->env(), look_up->deliver);
  look_up->deliver = nullptr;
  under_way_.Remove(look_up);
  if (look_up->wanted) CountWanted(false);
}

void Resolver::Close() {
  shared_->Lock();
  // All references first, then the look-ups that no thread runs. A thread frees the one it runs.
  under_way_.ForEach([this](LookUp* look_up) { Forget(look_up); });
  for (LookUp* look_up = shared_->queue.Pop(); look_up != nullptr; look_up = shared_->queue.Pop())
    LookUp::Free(look_up);
  for (LookUp* look_up = shared_->done.Pop(); look_up != nullptr; look_up = shared_->done.Pop())
    LookUp::Free(look_up);
  shared_->queued = 0;
  shared_->async = nullptr;
  uv_cond_broadcast(&shared_->wanted);
  shared_->Leave();
  napi_async_destroy(state_->env(), context_);
  uv_close(AsHandle(), OnClosed);
}

void Resolver::OnClosed(uv_handle_t* handle) {
  Resolver* resolver = static_cast<Resolver*>(handle->data);
  EnvState* state = resolver->state_;
  Destroy(resolver);
  state->HandleClosed();
}

namespace {

// Reads a string, or null (`*out` is null then). False for another type, for a text with a NUL in
// it, and for a text that is too long to be a name.
bool ReadText(napi_env env, napi_value value, char buffer[kMaxText + 1], const char** out) {
  napi_valuetype type = napi_undefined;
  if (napi_typeof(env, value, &type) != napi_ok) return false;
  *out = nullptr;
  if (type == napi_null) return true;
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, buffer, kMaxText + 1, &length) != napi_ok)
    return false;
  *out = buffer;
  return length < kMaxText && strlen(buffer) == length;
}

bool IsFunction(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  return napi_typeof(env, value, &type) == napi_ok && type == napi_function;
}

napi_value Submit(napi_env env, EnvState* state, LookUp* look_up, napi_value deliver) {
  if (look_up == nullptr) return Number(env, UV_ENOMEM);
  int32_t error = 0;
  Resolver* resolver = state->OpenResolver(&error);
  const int32_t result = resolver == nullptr ? error : resolver->Submit(look_up, deliver);
  if (result < 0) LookUp::Free(look_up);
  return Number(env, result);
}

// A look-up by name of the first six arguments. `valid` is false if one of them is not.
template <size_t N>
LookUp* AddressLookUp(napi_env env, Args<N>* args, int more_flags, bool* valid) {
  const int family = args->Int(2);
  const int type = args->Int(3);
  const int protocol = args->Int(4);
  const int flags = args->Int(5);
  char host_buffer[kMaxText + 1];
  char service_buffer[kMaxText + 1];
  const char* host = nullptr;
  const char* service = nullptr;
  *valid = args->ok() && ReadText(env, (*args)[0], host_buffer, &host) &&
           ReadText(env, (*args)[1], service_buffer, &service);
  if (!*valid) return nullptr;
  return LookUp::NewAddress(host, service, family, type, protocol, flags | more_flags);
}

// A look-up by address of the first three arguments.
template <size_t N>
LookUp* NameLookUp(Args<N>* args, int more_flags, bool* valid) {
  const View name = args->Bytes(0);
  const size_t length = args->Size(1);
  const int flags = args->Int(2);
  *valid = args->ok() && length <= name.length && length <= sizeof(sockaddr_storage);
  return *valid ? LookUp::NewName(name.data, length, flags | more_flags) : nullptr;
}

napi_value JsGetAddrInfo(napi_env env, napi_callback_info info) {
  Args<7> args(env, info);
  if (!IsFunction(env, args[6])) return Number(env, UV_EINVAL);
  bool valid = false;
  LookUp* look_up = AddressLookUp(env, &args, 0, &valid);
  return valid ? Submit(env, args.data<EnvState>(), look_up, args[6]) : Number(env, UV_EINVAL);
}

napi_value JsGetNameInfo(napi_env env, napi_callback_info info) {
  Args<4> args(env, info);
  if (!IsFunction(env, args[3])) return Number(env, UV_EINVAL);
  bool valid = false;
  LookUp* look_up = NameLookUp(&args, 0, &valid);
  return valid ? Submit(env, args.data<EnvState>(), look_up, args[3]) : Number(env, UV_EINVAL);
}

// Runs a look-up on this thread, and returns its result, or a negative code.
napi_value RunAtOnce(napi_env env, LookUp* look_up, bool valid) {
  if (!valid) return Number(env, UV_EINVAL);
  if (look_up == nullptr) return Number(env, UV_ENOMEM);
  look_up->Run();
  napi_value results[3] = {};
  const size_t count = look_up->Results(env, results);
  napi_value result = look_up->status == 0 ? results[1] : results[0];
  napi_value pair = nullptr;
  if (look_up->status == 0 && count == 3) {
    if (napi_create_array_with_length(env, 2, &pair) == napi_ok &&
        napi_set_element(env, pair, 0, results[1]) == napi_ok &&
        napi_set_element(env, pair, 1, results[2]) == napi_ok) {
      result = pair;
    } else {
      result = nullptr;
    }
  }
  LookUp::Free(look_up);
  return result;
}

napi_value JsNumericAddrInfo(napi_env env, napi_callback_info info) {
  Args<6> args(env, info);
  bool valid = false;
  LookUp* look_up = AddressLookUp(env, &args, AI_NUMERICHOST | AI_NUMERICSERV, &valid);
  return RunAtOnce(env, look_up, valid);
}

napi_value JsNumericNameInfo(napi_env env, napi_callback_info info) {
  Args<3> args(env, info);
  bool valid = false;
  LookUp* look_up = NameLookUp(&args, NI_NUMERICHOST | NI_NUMERICSERV, &valid);
  return RunAtOnce(env, look_up, valid);
}

napi_value JsSetLookUpWanted(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  const int32_t ticket = args.Int(0);
  const bool wanted = args.Bool(1);
  if (!args.ok()) return Number(env, UV_EINVAL);
  int32_t error = 0;
  Resolver* resolver = args.data<EnvState>()->OpenResolver(&error);
  return Number(env, resolver == nullptr ? error : resolver->SetWanted(ticket, wanted));
}

constexpr Export kExports[] = {
    {"getaddrinfo", JsGetAddrInfo},         {"getnameinfo", JsGetNameInfo},
    {"numericAddrInfo", JsNumericAddrInfo}, {"numericNameInfo", JsNumericNameInfo},
    {"setLookUpWanted", JsSetLookUpWanted},
};

}  // namespace

constexpr ExportTable kResolverExports = kExports;

}  // namespace sockscope

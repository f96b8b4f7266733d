#include "reactor.h"

#include "env_state.h"
#include "js.h"

namespace sockscope {

int32_t Delivery::Open(napi_env env, napi_value events, napi_value deliver) {
  napi_valuetype type = napi_undefined;
  if (napi_typeof(env, deliver, &type) != napi_ok || type != napi_function) return UV_EINVAL;
  napi_typedarray_type array_type = kNoArrayType;
  size_t length = 0;
  if (napi_get_typedarray_info(env, events, &array_type, &length, nullptr, nullptr, nullptr) !=
          napi_ok ||
      array_type != napi_int32_array || length < 3) {
    return UV_EINVAL;
  }
  env_ = env;
  napi_value name = nullptr;
  // Without a resource object. Node would hold it weakly, and lose the context when it is
  // collected.
  if (napi_create_string_utf8(env, "SOCKSCOPE", NAPI_AUTO_LENGTH, &name) == napi_ok &&
      napi_async_init(env, nullptr, name, &context_) == napi_ok &&
      napi_create_reference(env, events, 0, &events_) == napi_ok &&
      napi_create_reference(env, deliver, 0, &deliver_) == napi_ok) {
    return 0;
  }
  Close();
  return UV_ECANCELED;
}

bool Delivery::Send(const ReactorEvent* events, int count) {
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return false;
  napi_value array = nullptr;
  napi_value deliver = nullptr;
  bool alive = napi_get_reference_value(env_, events_, &array) == napi_ok && array != nullptr &&
               napi_get_reference_value(env_, deliver_, &deliver) == napi_ok && deliver != nullptr;
  for (int done = 0; alive && done < count;) {
    size_t length = 0;
    void* data = nullptr;
    // Read again for every call: JavaScript may have detached the array.
    alive = napi_get_typedarray_info(env_, array, nullptr, &length, &data, nullptr, nullptr) ==
                napi_ok &&
            length >= 3;
    if (!alive) break;
    int32_t* out = static_cast<int32_t*>(data);
    int32_t filled = 0;
    for (; done < count && static_cast<size_t>(filled) < length / 3; done++, filled++) {
      *out++ = events[done].slot;
      *out++ = events[done].generation;
      *out++ = events[done].events;
    }
    napi_value argument = nullptr;
    alive = napi_create_int32(env_, filled, &argument) == napi_ok &&
            CallFromLoop(env_, context_, deliver, 1, &argument);
  }
  napi_close_handle_scope(env_, scope);
  return alive;
}

void Delivery::Close() {
  if (context_ != nullptr) napi_async_destroy(env_, context_);
  if (events_ != nullptr) napi_delete_reference(env_, events_);
  if (deliver_ != nullptr) napi_delete_reference(env_, deliver_);
  context_ = nullptr;
  events_ = nullptr;
  deliver_ = nullptr;
}

Reactor* Reactor::Open(EnvState* state, ReactorKind kind, Delivery delivery, int32_t* error) {
#ifdef __linux__
  if (kind == ReactorKind::kEpoll) return OpenEpollReactor(state, delivery, error);
#else
  static_cast<void>(kind);
#endif
  return OpenPollReactor(state, delivery, error);
}

}  // namespace sockscope

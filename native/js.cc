#include "js.h"

namespace sockscope {

namespace {

// Bytes per element, because Node-API counts lengths in elements. 0 for a type that the headers do
// not know.
size_t ElementSize(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array:
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      return 1;
    case napi_int16_array:
    case napi_uint16_array:
      return 2;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array:
      return 4;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array:
      return 8;
    default:
      return 0;
  }
}

}  // namespace

// The alternative is napi_is_buffer followed by napi_get_buffer_info, which takes every view. This
// was measured to be as fast or faster.
bool ReadView(napi_env env, napi_value value, View* out) {
  napi_typedarray_type type = kNoArrayType;
  size_t count = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &count, &data, nullptr, nullptr) == napi_ok) {
    const size_t element = ElementSize(type);
    out->data = static_cast<uint8_t*>(data);
    out->length = count * element;
    if (element != 0) return true;
    // A Float16Array, or a later type: an older Node-API leaves `type` unchanged. Of the functions
    // that read such an array, only napi_get_buffer_info counts in bytes.
    bool is_view = false;
    return napi_is_buffer(env, value, &is_view) == napi_ok && is_view &&
           napi_get_buffer_info(env, value, &data, &out->length) == napi_ok;
  }
  if (napi_get_dataview_info(env, value, &out->length, &data, nullptr, nullptr) != napi_ok)
    return false;
  out->data = static_cast<uint8_t*>(data);
  return true;
}

bool CallFromLoop(napi_env env, napi_async_context context, napi_value function, size_t count,
                  const napi_value* arguments) {
  napi_value receiver = nullptr;
  if (napi_get_global(env, &receiver) != napi_ok) return false;
  // Another status means that JavaScript threw, or that the environment is going down: the loop of
  // a terminated worker still calls its callbacks.
  if (napi_make_callback(env, context, receiver, function, count, arguments, nullptr) == napi_ok)
    return true;
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) != napi_ok || !pending) return false;
  napi_value error = nullptr;
  if (napi_get_and_clear_last_exception(env, &error) != napi_ok) return false;
  // No code above a libuv callback would see the exception.
  return napi_fatal_exception(env, error) == napi_ok;
}

}  // namespace sockscope

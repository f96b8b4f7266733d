#ifndef SOCKSCOPE_JS_H_
#define SOCKSCOPE_JS_H_

#include <node_api.h>
#include <stddef.h>
#include <stdint.h>

// Reading arguments and returning numbers, in plain Node-API, because every call pays for it: the
// figures are in native/README.md. Nothing here throws. When a reader fails, its caller returns
// UV_EINVAL: TypeScript checks what users pass, so a bad argument is a fault of this library.

namespace sockscope {

// The bytes of an ArrayBufferView. They are valid until the native call returns, and no longer.
struct View {
  uint8_t* data = nullptr;
  size_t length = 0;
};

// Whether two views have memory in common: a function that copies between them, or that fills both,
// refuses them then.
inline bool Overlap(const View& a, const View& b) {
  const uintptr_t from_a = reinterpret_cast<uintptr_t>(a.data);
  const uintptr_t from_b = reinterpret_cast<uintptr_t>(b.data);
  return a.length > 0 && b.length > 0 && from_a < from_b + b.length && from_b < from_a + a.length;
}

// The elements of an Int32Array or Uint32Array.
template <typename T>
struct Fields {
  T* data = nullptr;
  size_t count = 0;
};

// The value of a type before Node-API is asked for it. Node-API leaves the value unchanged for an
// array type that is newer than itself.
constexpr napi_typedarray_type kNoArrayType = static_cast<napi_typedarray_type>(15);

// Reads any TypedArray, Buffer or DataView, over any kind of buffer. A detached view is empty.
bool ReadView(napi_env env, napi_value value, View* out);

// Reads an integer from `min` to `max`. Node-API's own conversions would turn 2^32 + 1 into 1, and
// NaN into 0, which is a valid fd.
inline bool ReadInteger(napi_env env, napi_value value, double min, double max, double* out) {
  return napi_get_value_double(env, value, out) == napi_ok && *out >= min && *out <= max &&
         *out == static_cast<double>(static_cast<int64_t>(*out));
}

// The arguments of one call, N at most.
template <size_t N>
class Args {
 public:
  // Arguments that were not passed are `undefined`.
  Args(napi_env env, napi_callback_info info) : env_(env) {
    if (napi_get_cb_info(env, info, &count_, values_, nullptr, &data_) != napi_ok) ok_ = false;
  }

  const napi_value& operator[](size_t index) const { return values_[index]; }
  // The number of arguments from `index` on.
  size_t CountFrom(size_t index) const {
    const size_t count = count_ < N ? count_ : N;
    return count < index ? 0 : count - index;
  }
  // False after a reader has failed.
  bool ok() const { return ok_; }
  // The data that the function was made with: the state of its environment.
  template <typename T>
  T* data() const {
    return static_cast<T*>(data_);
  }

  int32_t Int(size_t index) { return static_cast<int32_t>(Integer(index, INT32_MIN, INT32_MAX)); }

  // An integer from 0 to 2^53 - 1, the largest up to which a double counts in ones.
  size_t Size(size_t index) { return static_cast<size_t>(Integer(index, 0, 9007199254740991.0)); }

  bool Bool(size_t index) {
    bool value = false;
    if (!ok_ || napi_get_value_bool(env_, values_[index], &value) != napi_ok) ok_ = false;
    return value;
  }

  View Bytes(size_t index) {
    View view;
    if (!ok_ || !ReadView(env_, values_[index], &view)) ok_ = false;
    return view;
  }

  // null is the empty view.
  View BytesOrNull(size_t index) { return IsNull(index) ? View() : Bytes(index); }

  // An Int32Array (T = int32_t) or Uint32Array (T = uint32_t) of at least `count` elements.
  template <typename T>
  T* Numbers(size_t index, size_t count) {
    Fields<T> fields = NumbersOrNull<T>(index);
    if (fields.data == nullptr || fields.count < count) ok_ = false;
    return fields.data;
  }

  template <typename T>
  Fields<T> NumbersOrNull(size_t index) {
    Fields<T> fields;
    if (!ok_ || IsNull(index)) return fields;
    napi_typedarray_type type = kNoArrayType;
    void* data = nullptr;
    const napi_typedarray_type wanted = T(-1) < T(0) ? napi_int32_array : napi_uint32_array;
    if (napi_get_typedarray_info(env_, values_[index], &type, &fields.count, &data, nullptr,
                                 nullptr) != napi_ok ||
        type != wanted) {
      ok_ = false;
      return Fields<T>();
    }
    fields.data = static_cast<T*>(data);
    return fields;
  }

  bool IsNull(size_t index) {
    napi_valuetype type = napi_undefined;
    if (!ok_ || napi_typeof(env_, values_[index], &type) != napi_ok) ok_ = false;
    return type == napi_null;
  }

 private:
  double Integer(size_t index, double min, double max) {
    double value = 0;
    if (ok_ && ReadInteger(env_, values_[index], min, max, &value)) return value;
    ok_ = false;
    return 0;
  }

  napi_env env_;
  void* data_ = nullptr;
  size_t count_ = N;
  bool ok_ = true;
  napi_value values_[N];
};

// Calls a function from a callback of the loop, where no JavaScript is on the stack. An exception
// out of the function becomes an 'uncaughtException', and so does one that is pending already;
// microtasks run when the function returns. JavaScript may change anything, so this is the last act
// of the callback. False if JavaScript cannot be entered, because the environment is going down.
bool CallFromLoop(napi_env env, napi_async_context context, napi_value function, size_t count,
                  const napi_value* arguments);

// A count, an fd, or a negative libuv code, for JavaScript. Null (JavaScript gets undefined) only
// if the environment is going down.
inline napi_value Number(napi_env env, int32_t value) {
  napi_value result = nullptr;
  return napi_create_int32(env, value, &result) == napi_ok ? result : nullptr;
}

}  // namespace sockscope

#endif  // SOCKSCOPE_JS_H_

#ifndef SOCKSCOPE_JS_H_
#define SOCKSCOPE_JS_H_

#include <node_api.h>
#include <stddef.h>
#include <stdint.h>

// The only Node-API sugar: argument readers that say yes or no, and results that are numbers.
// Nothing here throws. A reader that says no makes its caller return UV_EINVAL: the call came
// broken from our own TypeScript, which checks what users pass.

namespace sockscope {

// The bytes of an ArrayBufferView, valid until the native call returns: nothing may keep it longer.
struct View {
  uint8_t* data = nullptr;
  size_t length = 0;
};

// The elements of an Int32Array or Uint32Array.
template <typename T>
struct Fields {
  T* data = nullptr;
  size_t count = 0;
};

// What a type is set to before it is asked for: Node-API leaves it alone for arrays newer than
// itself.
constexpr napi_typedarray_type kNoArrayType = static_cast<napi_typedarray_type>(15);

// Any TypedArray, Buffer or DataView, over any kind of buffer. A detached one is empty.
bool ReadView(napi_env env, napi_value value, View* out);

// An integer from `min` to `max`. Node-API's own conversions would wrap 2^32 + 1 to 1 and make 0, a
// good fd, of NaN.
inline bool ReadInteger(napi_env env, napi_value value, double min, double max, double* out) {
  return napi_get_value_double(env, value, out) == napi_ok && *out >= min && *out <= max &&
         *out == static_cast<double>(static_cast<int64_t>(*out));
}

template <size_t N>
class Args {
 public:
  // Arguments that were not passed are `undefined`.
  Args(napi_env env, napi_callback_info info) : env_(env) {
    if (napi_get_cb_info(env, info, &count_, values_, nullptr, &data_) != napi_ok) ok_ = false;
  }

  const napi_value& operator[](size_t index) const { return values_[index]; }
  // How many arguments there are from that one on, N at most in all.
  size_t CountFrom(size_t index) const {
    const size_t count = count_ < N ? count_ : N;
    return count < index ? 0 : count - index;
  }
  // False after any reader said no.
  bool ok() const { return ok_; }
  // What the function was registered with: the state of its environment.
  template <typename T>
  T* data() const {
    return static_cast<T*>(data_);
  }

  int32_t Int(size_t index) { return static_cast<int32_t>(Integer(index, INT32_MIN, INT32_MAX)); }

  // A non-negative integer, as large as a double counts in ones.
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

// Calls a function from a callback of the loop, where no JavaScript is on the stack: what it throws
// becomes an 'uncaughtException', and microtasks run when it returns. To be the last act of the
// callback, or of its turn: JavaScript may have changed anything. False if JavaScript cannot be
// entered: the environment is going down.
bool CallFromLoop(napi_env env, napi_async_context context, napi_value function, size_t count,
                  const napi_value* arguments);

// A count, an fd, or a negative libuv code. Null (JavaScript's undefined) only if the environment
// is going down.
inline napi_value Number(napi_env env, int32_t value) {
  napi_value result = nullptr;
  return napi_create_int32(env, value, &result) == napi_ok ? result : nullptr;
}

}  // namespace sockscope

#endif  // SOCKSCOPE_JS_H_

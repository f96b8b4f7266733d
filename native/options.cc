#include <sys/ioctl.h>
#include <sys/socket.h>

#include "export_table.h"
#include "js.h"
#include "platform.h"
#include "result.h"

namespace sockscope {

namespace {

napi_value JsGetOptionInt(napi_env env, napi_callback_info info) {
  Args<4> args(env, info);
  const int fd = args.Int(0);
  const int level = args.Int(1);
  const int option = args.Int(2);
  int32_t* result = args.Numbers<int32_t>(3, 1);
  if (!args.ok()) return Number(env, UV_EINVAL);
  union {
    int value;
    unsigned char byte;
  } got = {0};
  socklen_t length = sizeof(got);
  if (getsockopt(fd, level, option, &got, &length) == -1) return Number(env, -errno);
  // Some multicast options are one byte on BSD, and in some cases on Linux too.
  *result = length == 1 ? got.byte : got.value;
  return Number(env, 0);
}

napi_value JsGetOptionBytes(napi_env env, napi_callback_info info) {
  Args<4> args(env, info);
  const int fd = args.Int(0);
  const int level = args.Int(1);
  const int option = args.Int(2);
  const View out = args.Bytes(3);
  if (!args.ok() || out.length > INT32_MAX) return Number(env, UV_EINVAL);
  socklen_t length = static_cast<socklen_t>(out.length);
  if (getsockopt(fd, level, option, out.data, &length) == -1) return Number(env, -errno);
  return Number(env, static_cast<int32_t>(length));
}

napi_value JsSetOptionInt(napi_env env, napi_callback_info info) {
  Args<4> args(env, info);
  const int fd = args.Int(0);
  const int level = args.Int(1);
  const int option = args.Int(2);
  const int value = args.Int(3);
  if (!args.ok()) return Number(env, UV_EINVAL);
  return Number(env, Result(setsockopt(fd, level, option, &value, sizeof(value))));
}

napi_value JsSetOptionBytes(napi_env env, napi_callback_info info) {
  Args<4> args(env, info);
  const int fd = args.Int(0);
  const int level = args.Int(1);
  const int option = args.Int(2);
  const View value = args.Bytes(3);
  if (!args.ok() || value.length > INT32_MAX) return Number(env, UV_EINVAL);
  return Number(
      env, Result(setsockopt(fd, level, option, value.data, static_cast<socklen_t>(value.length))));
}

napi_value JsPeerCredentials(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  const int fd = args.Int(0);
  int32_t* result = args.Numbers<int32_t>(1, 3);
  return Number(env, args.ok() ? PlatformPeerCredentials(fd, result) : UV_EINVAL);
}

napi_value JsQueueSizes(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  const int fd = args.Int(0);
  int32_t* result = args.Numbers<int32_t>(1, 2);
  return Number(env, args.ok() ? PlatformQueueSizes(fd, result) : UV_EINVAL);
}

napi_value JsUnreadSize(napi_env env, napi_callback_info info) {
  Args<1> args(env, info);
  const int fd = args.Int(0);
  int size = 0;
  if (!args.ok()) return Number(env, UV_EINVAL);
  return Number(env, ioctl(fd, FIONREAD, &size) == -1 ? -errno : size);
}

constexpr Export kExports[] = {
    {"getsockoptInt", JsGetOptionInt},      {"getsockoptBytes", JsGetOptionBytes},
    {"setsockoptInt", JsSetOptionInt},      {"setsockoptBytes", JsSetOptionBytes},
    {"peerCredentials", JsPeerCredentials}, {"queueSizes", JsQueueSizes},
    {"unreadSize", JsUnreadSize},
};

}  // namespace

constexpr ExportTable kOptionsExports = kExports;

}  // namespace sockscope

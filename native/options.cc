#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "export_table.h"
#include "js.h"
#include "platform.h"
#include "result.h"

namespace sockscope {

namespace {

// More than the value of any option. TypeScript asks for no more.
constexpr size_t kMaxValue = 65536;
// The largest unit of length (PlatformOptionUnit).
constexpr size_t kMaxUnit = 8;
// The kernel writes at most so much behind the value of an option with fields at fixed offsets.
constexpr size_t kSlack = 1024;

// getsockopt(2). Returns the number of bytes that were copied to `out`, or a negative code.
//
// The kernel gets memory of its own, and never the caller's, because not every option keeps to the
// length that it is given (getsockopt(2), Bugs):
// - That memory is much longer than the kernel is told. Some options count the length in another
//   unit (SO_GET_FILTER), take it for the size of one element of many (TCP_AO_GET_KEYS), or ignore
//   it (Bluetooth).
// - That memory is all zeroes. Some options read it first: the number of elements that there is
//   room for (IP_MSFILTER, MCAST_MSFILTER, TCP_AO_GET_KEYS), or addresses to write to
//   (TCP_ZEROCOPY_RECEIVE, MPTCP_FULL_INFO, the tables of ebtables). A number of 0 and an address
//   of 0 make them write nothing there.
int32_t GetOption(int fd, int level, int option, void* out, size_t room) {
  const size_t length = room < kMaxValue ? room : kMaxValue;
  const size_t unit = PlatformOptionUnit(level, option);
  const size_t size = length * kMaxUnit + kSlack;
  uint8_t stack[4096];
  uint8_t* memory = size <= sizeof(stack) ? stack : static_cast<uint8_t*>(malloc(size));
  if (memory == nullptr) return UV_ENOMEM;
  memset(memory, 0, size);
  socklen_t count = static_cast<socklen_t>(length / unit);
  int32_t result = Result(getsockopt(fd, level, option, memory, &count));
  if (result == 0) {
    // Some options return the length that the whole value has, and write as much as fits.
    const size_t written = count < length / unit ? count * unit : length / unit * unit;
    if (written > 0) memcpy(out, memory, written);
    result = static_cast<int32_t>(written);
  }
  if (memory != stack) free(memory);
  return result;
}

napi_value JsGetOptionInt(napi_env env, napi_callback_info info) {
  Args<4> args(env, info);
  const int fd = args.Int(0);
  const int level = args.Int(1);
  const int option = args.Int(2);
  int32_t* result = args.Numbers<int32_t>(3, 1);
  if (!args.ok()) return Number(env, UV_EINVAL);
  // A list of instructions is no int.
  if (PlatformOptionUnit(level, option) > sizeof(int)) return Number(env, UV_EINVAL);
  int value = 0;
  const int32_t length = GetOption(fd, level, option, &value, sizeof(value));
  if (length < 0) return Number(env, length);
  // Some multicast options are one byte on BSD, and in some cases on Linux too.
  unsigned char byte = 0;
  memcpy(&byte, &value, sizeof(byte));
  *result = length == 1 ? byte : value;
  return Number(env, 0);
}

napi_value JsGetOptionBytes(napi_env env, napi_callback_info info) {
  Args<4> args(env, info);
  const int fd = args.Int(0);
  const int level = args.Int(1);
  const int option = args.Int(2);
  const View out = args.Bytes(3);
  return Number(env, args.ok() ? GetOption(fd, level, option, out.data, out.length) : UV_EINVAL);
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
  if (PlatformOptionHoldsAddress(level, option)) return Number(env, UV_ENOTSUP);
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

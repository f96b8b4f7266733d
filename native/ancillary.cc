#include "ancillary.h"

#include <string.h>
#include <sys/socket.h>

#include "env_state.h"
#include "export_table.h"
#include "js.h"
#include "platform.h"
#include "result.h"

namespace sockscope {

namespace {

// More than any system accepts (net.core.optmem_max, usually 128 KiB), and too little to overflow
// CMSG_SPACE.
constexpr size_t kMaxData = size_t{1} << 30;

struct ControlMessage {
  int level;
  int type;
  // Offsets from the start of the control data.
  size_t data;
  size_t length;
  size_t next;
};

// The message at `offset`; false if there is none. A view may lie at an odd address, so its header
// is copied, never cast.
bool ReadControl(const uint8_t* control, size_t size, size_t offset, ControlMessage* out) {
  cmsghdr header;
  if (offset > size || size - offset < sizeof(header)) return false;
  memcpy(&header, control + offset, sizeof(header));
  const size_t total = header.cmsg_len;
  if (total < CMSG_LEN(0) || total > size - offset) return false;
  out->level = header.cmsg_level;
  out->type = header.cmsg_type;
  out->data = offset + CMSG_LEN(0);
  out->length = total - CMSG_LEN(0);
  out->next = offset + CMSG_SPACE(out->length);
  return true;
}

bool CarriesFds(const ControlMessage& message) {
  return message.level == SOL_SOCKET &&
         (message.type == SCM_RIGHTS || message.type == kPidfdMessage);
}

template <typename Use>
void ForEachFd(const uint8_t* control, const ControlMessage& message, Use use) {
  if (!CarriesFds(message)) return;
  for (size_t i = 0; i + sizeof(int) <= message.length; i += sizeof(int)) {
    int fd = -1;
    memcpy(&fd, control + message.data + i, sizeof(int));
    if (fd >= 0) use(fd);
  }
}

}  // namespace

void OwnReceivedFds(EnvState* state, const uint8_t* control, size_t length) {
  ControlMessage message;
  for (size_t offset = 0; ReadControl(control, length, offset, &message); offset = message.next) {
    ForEachFd(control, message, [&](int fd) { state->OwnReceived(fd); });
  }
}

namespace {

napi_value JsControlSpace(napi_env env, napi_callback_info info) {
  Args<1> args(env, info);
  const size_t length = args.Size(0);
  return Number(
      env, args.ok() && length <= kMaxData ? static_cast<int32_t>(CMSG_SPACE(length)) : UV_EINVAL);
}

napi_value JsEncodeControl(napi_env env, napi_callback_info info) {
  Args<5> args(env, info);
  const View out = args.Bytes(0);
  const size_t offset = args.Size(1);
  const int level = args.Int(2);
  const int type = args.Int(3);
  const View data = args.Bytes(4);
  if (!args.ok() || offset > INT32_MAX - kMaxData || data.length > kMaxData || Overlap(out, data))
    return Number(env, UV_EINVAL);
  const size_t space = CMSG_SPACE(data.length);
  if (offset > out.length || space > out.length - offset) return Number(env, UV_ENOBUFS);
  uint8_t* at = out.data + offset;
  // The padding is sent too, so it must not hold old memory.
  memset(at, 0, space);
  cmsghdr header = {};
  header.cmsg_len = static_cast<decltype(header.cmsg_len)>(CMSG_LEN(data.length));
  header.cmsg_level = level;
  header.cmsg_type = type;
  memcpy(at, &header, sizeof(header));
  if (data.length > 0) memcpy(at + CMSG_LEN(0), data.data, data.length);
  return Number(env, static_cast<int32_t>(offset + space));
}

napi_value JsDecodeControl(napi_env env, napi_callback_info info) {
  Args<4> args(env, info);
  const View control = args.Bytes(0);
  const size_t length = args.Size(1);
  const size_t offset = args.Size(2);
  int32_t* fields = args.Numbers<int32_t>(3, 4);
  if (!args.ok() || length > control.length || length > INT32_MAX - kMaxData)
    return Number(env, UV_EINVAL);
  ControlMessage message;
  if (!ReadControl(control.data, length, offset, &message)) return Number(env, 0);
  fields[0] = message.level;
  fields[1] = message.type;
  fields[2] = static_cast<int32_t>(message.data);
  fields[3] = static_cast<int32_t>(message.length);
  return Number(env, static_cast<int32_t>(message.next));
}

napi_value JsReceivedToken(napi_env env, napi_callback_info info) {
  Args<1> args(env, info);
  const int fd = args.Int(0);
  return Number(env, args.ok() ? args.data<EnvState>()->received().TokenOf(fd) : UV_EINVAL);
}

napi_value JsCloseReceived(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  const int fd = args.Int(0);
  const int32_t token = args.Int(1);
  return Number(env, args.ok() ? args.data<EnvState>()->received().Close(fd, token) : UV_EINVAL);
}

napi_value JsReleaseReceived(napi_env env, napi_callback_info info) {
  Args<1> args(env, info);
  const int fd = args.Int(0);
  if (!args.ok()) return Number(env, UV_EINVAL);
  ReceivedFds& received = args.data<EnvState>()->received();
  if (received.TokenOf(fd) == 0) return Number(env, UV_ENOENT);
  received.Forget(fd);
  return Number(env, 0);
}

constexpr Export kExports[] = {
    {"controlSpace", JsControlSpace},   {"encodeControl", JsEncodeControl},
    {"decodeControl", JsDecodeControl}, {"receivedToken", JsReceivedToken},
    {"closeReceived", JsCloseReceived}, {"releaseReceived", JsReleaseReceived},
};

}  // namespace

constexpr ExportTable kAncillaryExports = kExports;

}  // namespace sockscope

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "env_state.h"
#include "export_table.h"
#include "js.h"
#include "platform.h"
#include "result.h"

namespace sockscope {

namespace {

// The most datagrams per call: their headers fit the stack easily. Beyond some dozens, the system
// call itself is a small part of the cost.
constexpr size_t kMaxBatch = 256;

napi_value JsRecvMmsg(napi_env env, napi_callback_info info) {
  Args<7> args(env, info);
  const int fd = args.Int(0);
  const View slab = args.Bytes(1);
  const size_t size = args.Size(2);
  size_t count = args.Size(3);
  int32_t* sizes = args.Numbers<int32_t>(4, count);
  const View names = args.BytesOrNull(5);
  const Fields<int32_t> name_lengths = args.NumbersOrNull<int32_t>(6);
  // A division, because the product of two numbers from JavaScript may not fit a size_t.
  const bool fits = size == 0 || count <= slab.length / size;
  const bool names_fit =
      names.data == nullptr ||
      (names.length / sizeof(sockaddr_storage) >= count && name_lengths.count >= count);
  if (!args.ok() || !fits || !names_fit) return Number(env, UV_EINVAL);
  if (count > kMaxBatch) count = kMaxBatch;
  BatchMessage messages[kMaxBatch];
  iovec vectors[kMaxBatch];
  memset(messages, 0, count * sizeof(messages[0]));
  for (size_t i = 0; i < count; i++) {
    vectors[i] = {slab.data + i * size, size};
    msghdr& header = messages[i].msg_hdr;
    header.msg_iov = &vectors[i];
    header.msg_iovlen = 1;
    if (names.data != nullptr) {
      header.msg_name = names.data + i * sizeof(sockaddr_storage);
      header.msg_namelen = sizeof(sockaddr_storage);
    }
  }
  const int32_t received = PlatformRecvBatch(fd, messages, static_cast<unsigned int>(count));
  for (int32_t i = 0; i < received; i++) {
    const msghdr& header = messages[i].msg_hdr;
    sizes[i] = (header.msg_flags & MSG_TRUNC) != 0 ? UV_EMSGSIZE
                                                   : static_cast<int32_t>(messages[i].msg_len);
    if (names.data != nullptr) name_lengths.data[i] = static_cast<int32_t>(header.msg_namelen);
  }
  return Number(env, received);
}

napi_value JsSendMmsg(napi_env env, napi_callback_info info) {
  Args<5> args(env, info);
  const size_t first = args.Size(2);
  uint32_t length = 0;
  bool is_array = false;
  if (!args.ok() || napi_is_array(env, args[1], &is_array) != napi_ok || !is_array ||
      napi_get_array_length(env, args[1], &length) != napi_ok || first > length) {
    return Number(env, UV_EINVAL);
  }
  const size_t count = length - first < kMaxBatch ? length - first : kMaxBatch;
  // An element may be a getter, which runs JavaScript. So all elements are read before any memory.
  const EnvState* state = args.data<EnvState>();
  const uint32_t releases = state->releases();
  napi_value packets[kMaxBatch];
  for (size_t i = 0; i < count; i++) {
    if (napi_get_element(env, args[1], static_cast<uint32_t>(first + i), &packets[i]) != napi_ok)
      return Number(env, UV_EINVAL);
  }
  // A getter has closed an fd. It may be the one of this call, and the number another socket's.
  if (state->releases() != releases) return Number(env, UV_EBADF);
  const int fd = args.Int(0);
  const View name = args.BytesOrNull(3);
  const size_t name_length = args.Size(4);
  if (!args.ok() || name_length > name.length || name_length > INT32_MAX)
    return Number(env, UV_EINVAL);
  BatchMessage messages[kMaxBatch];
  iovec vectors[kMaxBatch];
  memset(messages, 0, count * sizeof(messages[0]));
  for (size_t i = 0; i < count; i++) {
    View packet;
    if (!ReadView(env, packets[i], &packet)) return Number(env, UV_EINVAL);
    vectors[i] = {packet.data, packet.length};
    msghdr& header = messages[i].msg_hdr;
    header.msg_iov = &vectors[i];
    header.msg_iovlen = 1;
    if (name_length > 0) {
      header.msg_name = name.data;
      header.msg_namelen = static_cast<socklen_t>(name_length);
    }
  }
  return Number(env, PlatformSendBatch(fd, messages, static_cast<unsigned int>(count)));
}

constexpr Export kExports[] = {
    {"recvmmsg", JsRecvMmsg},
    {"sendmmsg", JsSendMmsg},
};

}  // namespace

constexpr ExportTable kBatchExports = kExports;

}  // namespace sockscope

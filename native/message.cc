#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "ancillary.h"
#include "env_state.h"
#include "export_table.h"
#include "js.h"
#include "message.h"
#include "platform.h"
#include "result.h"

namespace sockscope {

namespace {

// The most bytes that Linux moves per call (read(2)); the count fits an int32. A longer transfer is
// no error: the count says how much was moved.
constexpr size_t kMaxTransfer = 0x7ffff000;

size_t Capped(size_t length) { return length < kMaxTransfer ? length : kMaxTransfer; }

// Whether a name fits, whatever its family: the kernel would cut it, and return its whole length.
// The empty view is for no name.
bool HoldsName(const View& name) {
  return name.length == 0 || (name.length >= sizeof(sockaddr_storage) && name.length <= INT32_MAX);
}

// The iovecs of one recvmsg(2) or sendmsg(2), on the stack: the non-empty views of a list, after
// the first `skip` bytes of all.
class Gather {
 public:
  explicit Gather(size_t skip) : skip_(skip) {}

  // Adds at most IOV_MAX elements of the array. False if an element is no view. An element may be a
  // getter, which runs JavaScript: read every other argument after this call, and make no system
  // call if an fd was released meanwhile.
  bool AddArray(napi_env env, napi_value array) {
    uint32_t length = 0;
    bool is_array = false;
    if (napi_is_array(env, array, &is_array) != napi_ok || !is_array ||
        napi_get_array_length(env, array, &length) != napi_ok) {
      return false;
    }
    for (uint32_t first = 0; first < length && count_ == 0; first += IOV_MAX) {
      const uint32_t count = length - first < IOV_MAX ? length - first : IOV_MAX;
      // All elements are read before any memory, so that no JavaScript runs between the first look
      // at a view and the system call.
      napi_value elements[IOV_MAX];
      for (uint32_t i = 0; i < count; i++) {
        if (napi_get_element(env, array, first + i, &elements[i]) != napi_ok) return false;
      }
      if (!AddViews(env, elements, count)) return false;
    }
    return true;
  }

  // False if one of the values is no view.
  bool AddViews(napi_env env, const napi_value* views, size_t count) {
    for (size_t i = 0; i < count && room_ > 0; i++) {
      View view;
      if (!ReadView(env, views[i], &view)) return false;
      if (view.length <= skip_) {
        skip_ -= view.length;
        continue;
      }
      const size_t left = view.length - skip_;
      const size_t size = left < room_ ? left : room_;
      vectors_[count_++] = {view.data + skip_, size};
      skip_ = 0;
      room_ -= size;
    }
    return true;
  }

  void Describe(msghdr* message) {
    // macOS refuses a message without an iovec (EMSGSIZE). An empty iovec adds nothing.
    if (count_ == 0) vectors_[count_++] = {nullptr, 0};
    message->msg_iov = vectors_;
    message->msg_iovlen = static_cast<decltype(message->msg_iovlen)>(count_);
  }

 private:
  iovec vectors_[IOV_MAX];
  size_t count_ = 0;
  size_t room_ = kMaxTransfer;
  size_t skip_;
};

napi_value JsRecv(napi_env env, napi_callback_info info) {
  Args<3> args(env, info);
  const int fd = args.Int(0);
  const View buffer = args.Bytes(1);
  const int flags = args.Int(2);
  if (!args.ok()) return Number(env, UV_EINVAL);
  return Number(env, Result(Retry([&] {
                  return recv(fd, buffer.data, Capped(buffer.length), flags | MSG_DONTWAIT);
                })));
}

napi_value JsSend(napi_env env, napi_callback_info info) {
  Args<4> args(env, info);
  const int fd = args.Int(0);
  const View buffer = args.Bytes(1);
  const size_t offset = args.Size(2);
  const int flags = args.Int(3);
  if (!args.ok() || offset > buffer.length) return Number(env, UV_EINVAL);
  return Number(env, Result(Retry([&] {
                  return send(fd, buffer.data + offset, Capped(buffer.length - offset),
                              flags | kSendFlags);
                })));
}

napi_value JsRecvFrom(napi_env env, napi_callback_info info) {
  Args<4> args(env, info);
  const int fd = args.Int(0);
  const View buffer = args.Bytes(1);
  const View name = args.BytesOrNull(2);
  int32_t* result = args.Numbers<int32_t>(3, 2);
  if (!args.ok() || !HoldsName(name)) return Number(env, UV_EINVAL);
  // recvmsg(2), because recvfrom(2) does not say that a datagram was truncated.
  iovec vector = {buffer.data, Capped(buffer.length)};
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_name = name.length == 0 ? nullptr : name.data;
  message.msg_namelen = static_cast<socklen_t>(name.length);
  const ssize_t received = PlatformRecvMsg(fd, &message, 0);
  if (received == -1) return Number(env, -errno);
  result[0] = message.msg_flags;
  result[1] = static_cast<int32_t>(message.msg_namelen);
  return Number(env, static_cast<int32_t>(received));
}

napi_value JsSendTo(napi_env env, napi_callback_info info) {
  Args<4> args(env, info);
  const int fd = args.Int(0);
  const View buffer = args.Bytes(1);
  const View name = args.Bytes(2);
  const size_t name_length = args.Size(3);
  if (!args.ok() || name_length > name.length || name_length > INT32_MAX)
    return Number(env, UV_EINVAL);
  const sockaddr* address = reinterpret_cast<const sockaddr*>(name.data);
  const socklen_t address_length = static_cast<socklen_t>(name_length);
  const size_t size = Capped(buffer.length);
  return Number(env, Result(Retry([&] {
                  return sendto(fd, buffer.data, size, kSendFlags, address, address_length);
                })));
}

napi_value JsRecvMsg(napi_env env, napi_callback_info info) {
  Args<6> args(env, info);
  Gather gather(0);
  const EnvState* state = args.data<EnvState>();
  const uint32_t releases = state->releases();
  if (!gather.AddArray(env, args[1])) return Number(env, UV_EINVAL);
  if (state->releases() != releases) return Number(env, UV_EBADF);
  const int fd = args.Int(0);
  const View name = args.BytesOrNull(2);
  const View control = args.BytesOrNull(3);
  int32_t* result = args.Numbers<int32_t>(4, 3);
  const int flags = args.Int(5);
  // The kernel writes the name last: in the memory of the control messages, it would change fds.
  if (!args.ok() || !HoldsName(name) || control.length > INT32_MAX || Overlap(name, control))
    return Number(env, UV_EINVAL);
  msghdr message = {};
  gather.Describe(&message);
  message.msg_name = name.length == 0 ? nullptr : name.data;
  message.msg_namelen = static_cast<socklen_t>(name.length);
  message.msg_control = control.length == 0 ? nullptr : control.data;
  message.msg_controllen = static_cast<decltype(message.msg_controllen)>(control.length);
  const ssize_t received = PlatformRecvMsg(fd, &message, flags);
  if (received == -1) return Number(env, -errno);
  const size_t control_length = control.length == 0 ? 0 : message.msg_controllen;
  if (control_length > 0) OwnReceivedFds(args.data<EnvState>(), control.data, control_length);
  result[0] = message.msg_flags;
  result[1] = static_cast<int32_t>(message.msg_namelen);
  result[2] = static_cast<int32_t>(control_length);
  return Number(env, static_cast<int32_t>(received));
}

napi_value JsSendMsg(napi_env env, napi_callback_info info) {
  Args<8> args(env, info);
  Gather gather(args.Size(2));
  const EnvState* state = args.data<EnvState>();
  const uint32_t releases = state->releases();
  if (!gather.AddArray(env, args[1])) return Number(env, UV_EINVAL);
  if (state->releases() != releases) return Number(env, UV_EBADF);
  const int fd = args.Int(0);
  const View name = args.BytesOrNull(3);
  const size_t name_length = args.Size(4);
  const View control = args.BytesOrNull(5);
  const size_t control_length = args.Size(6);
  const int flags = args.Int(7);
  if (!args.ok() || name_length > name.length || name_length > INT32_MAX ||
      control_length > control.length || control_length > INT32_MAX) {
    return Number(env, UV_EINVAL);
  }
  msghdr message = {};
  gather.Describe(&message);
  message.msg_name = name_length == 0 ? nullptr : name.data;
  message.msg_namelen = static_cast<socklen_t>(name_length);
  message.msg_control = control_length == 0 ? nullptr : control.data;
  message.msg_controllen = static_cast<decltype(message.msg_controllen)>(control_length);
  return Number(env, Result(Retry([&] { return sendmsg(fd, &message, flags | kSendFlags); })));
}

napi_value JsRecvV(napi_env env, napi_callback_info info) {
  Args<2 + kMaxDirect> args(env, info);
  const int fd = args.Int(0);
  const int flags = args.Int(1);
  Gather gather(0);
  if (!args.ok() || !gather.AddViews(env, &args[2], args.CountFrom(2)))
    return Number(env, UV_EINVAL);
  msghdr message = {};
  gather.Describe(&message);
  return Number(env, Result(PlatformRecvMsg(fd, &message, flags)));
}

napi_value JsSendV(napi_env env, napi_callback_info info) {
  Args<3 + kMaxDirect> args(env, info);
  const int fd = args.Int(0);
  const int flags = args.Int(1);
  Gather gather(args.Size(2));
  if (!args.ok() || !gather.AddViews(env, &args[3], args.CountFrom(3)))
    return Number(env, UV_EINVAL);
  msghdr message = {};
  gather.Describe(&message);
  return Number(env, Result(Retry([&] { return sendmsg(fd, &message, flags | kSendFlags); })));
}

constexpr Export kExports[] = {
    {"recv", JsRecv},       {"send", JsSend},       {"recvfrom", JsRecvFrom}, {"sendto", JsSendTo},
    {"recvmsg", JsRecvMsg}, {"sendmsg", JsSendMsg}, {"recvv", JsRecvV},       {"sendv", JsSendV},
};

}  // namespace

constexpr ExportTable kMessageExports = kExports;

}  // namespace sockscope

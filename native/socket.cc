#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "env_state.h"
#include "export_table.h"
#include "js.h"
#include "no_wait.h"
#include "platform.h"
#include "result.h"

namespace sockscope {

namespace {

// bind(2) and connect(2) take the same arguments.
template <typename Call>
napi_value WithAddress(napi_env env, napi_callback_info info, Call call) {
  Args<3> args(env, info);
  const int fd = args.Int(0);
  const View name = args.Bytes(1);
  const size_t length = args.Size(2);
  if (!args.ok() || length > name.length || length > INT32_MAX) return Number(env, UV_EINVAL);
  return Number(
      env, call(fd, reinterpret_cast<const sockaddr*>(name.data), static_cast<socklen_t>(length)));
}

// getsockname(2) and getpeername(2) take the same arguments.
template <typename Call>
napi_value ReadAddress(napi_env env, napi_callback_info info, Call call) {
  Args<2> args(env, info);
  const int fd = args.Int(0);
  const View out = args.Bytes(1);
  if (!args.ok() || out.length < sizeof(sockaddr_storage)) return Number(env, UV_EINVAL);
  socklen_t length = sizeof(sockaddr_storage);
  if (call(fd, reinterpret_cast<sockaddr*>(out.data), &length) == -1) return Number(env, -errno);
  // The kernel returns the whole length of an address that it had to cut.
  return Number(env, static_cast<int32_t>(length < out.length ? length : out.length));
}

napi_value JsSocket(napi_env env, napi_callback_info info) {
  Args<3> args(env, info);
  const int family = args.Int(0);
  const int type = args.Int(1);
  const int protocol = args.Int(2);
  if (!args.ok()) return Number(env, UV_EINVAL);
  const int32_t fd = PlatformSocket(family, type, protocol);
  return Number(env, fd < 0 ? fd : args.data<EnvState>()->Own(fd));
}

napi_value JsSocketPair(napi_env env, napi_callback_info info) {
  Args<4> args(env, info);
  const int family = args.Int(0);
  const int type = args.Int(1);
  const int protocol = args.Int(2);
  int32_t* out = args.Numbers<int32_t>(3, 2);
  if (!args.ok()) return Number(env, UV_EINVAL);
  int fds[2] = {-1, -1};
  const int32_t error = PlatformSocketPair(family, type, protocol, fds);
  if (error < 0) return Number(env, error);
  EnvState* state = args.data<EnvState>();
  const int32_t first = state->Own(fds[0]);
  const int32_t second = state->Own(fds[1]);
  if (first < 0 || second < 0) {
    // `Own` has closed the fd that it could not take.
    if (state->Release(first) == 0) close(first);
    if (state->Release(second) == 0) close(second);
    return Number(env, UV_ENOMEM);
  }
  out[0] = first;
  out[1] = second;
  return Number(env, 0);
}

napi_value JsAdopt(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  const int fd = args.Int(0);
  int32_t* out = args.Numbers<int32_t>(1, 3);
  if (!args.ok()) return Number(env, UV_EINVAL);
  int type = 0;
  socklen_t length = sizeof(type);
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == -1) return Number(env, -errno);
  int family = 0;
  int protocol = 0;
  int32_t error = PlatformSocketKind(fd, &family, &protocol);
  if (error < 0) return Number(env, error);
  error = args.data<EnvState>()->Adopt(fd);
  if (error < 0) return Number(env, error);
  error = PlatformPrepare(fd);
  if (error < 0) {
    args.data<EnvState>()->Release(fd);
    return Number(env, error);
  }
  args.data<EnvState>()->received().Forget(fd);
  out[0] = family;
  out[1] = type;
  out[2] = protocol;
  return Number(env, 0);
}

napi_value JsRelease(napi_env env, napi_callback_info info) {
  Args<1> args(env, info);
  const int fd = args.Int(0);
  return Number(env, args.ok() ? args.data<EnvState>()->Release(fd) : UV_EINVAL);
}

napi_value JsClose(napi_env env, napi_callback_info info) {
  Args<1> args(env, info);
  const int fd = args.Int(0);
  if (!args.ok()) return Number(env, UV_EINVAL);
  // An fd that this environment does not own has another owner, who still uses it. The mark goes
  // before the fd: once the fd is closed, another thread may get its number.
  const int32_t error = args.data<EnvState>()->Release(fd);
  if (error < 0) return Number(env, error);
  return Number(env, CloseNoWait(fd));
}

napi_value JsDup(napi_env env, napi_callback_info info) {
  Args<1> args(env, info);
  const int fd = args.Int(0);
  if (!args.ok()) return Number(env, UV_EINVAL);
  // O_NONBLOCK belongs to the open file description, so the duplicate has it.
  const int32_t copy = Result(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  return Number(env, copy < 0 ? copy : args.data<EnvState>()->Own(copy));
}

napi_value JsBind(napi_env env, napi_callback_info info) {
  return WithAddress(env, info, [](int fd, const sockaddr* address, socklen_t length) {
    return Result(Retry([&] { return bind(fd, address, length); }));
  });
}

napi_value JsConnect(napi_env env, napi_callback_info info) {
  return WithAddress(env, info, ConnectNoWait);
}

napi_value JsListen(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  const int fd = args.Int(0);
  const int backlog = args.Int(1);
  return Number(env, args.ok() ? Result(listen(fd, backlog)) : UV_EINVAL);
}

napi_value JsAccept(napi_env env, napi_callback_info info) {
  Args<1> args(env, info);
  const int fd = args.Int(0);
  if (!args.ok()) return Number(env, UV_EINVAL);
  const int32_t accepted = AcceptNoWait(fd);
  return Number(env, accepted < 0 ? accepted : args.data<EnvState>()->Own(accepted));
}

napi_value JsShutdown(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  const int fd = args.Int(0);
  const int how = args.Int(1);
  return Number(env, args.ok() ? Result(shutdown(fd, how)) : UV_EINVAL);
}

napi_value JsGetSockName(napi_env env, napi_callback_info info) {
  return ReadAddress(env, info, getsockname);
}

napi_value JsGetPeerName(napi_env env, napi_callback_info info) {
  return ReadAddress(env, info, getpeername);
}

napi_value JsOwnedCount(napi_env env, napi_callback_info info) {
  Args<1> args(env, info);
  return Number(env,
                args.ok() ? static_cast<int32_t>(args.data<EnvState>()->owned_count()) : UV_EINVAL);
}

constexpr Export kExports[] = {
    {"socket", JsSocket},
    {"socketpair", JsSocketPair},
    {"adopt", JsAdopt},
    {"release", JsRelease},
    {"close", JsClose},
    {"dup", JsDup},
    {"bind", JsBind},
    {"connect", JsConnect},
    {"listen", JsListen},
    {"accept", JsAccept},
    {"shutdown", JsShutdown},
    {"getsockname", JsGetSockName},
    {"getpeername", JsGetPeerName},
    {"ownedCount", JsOwnedCount},
};

}  // namespace

constexpr ExportTable kSocketExports = kExports;

}  // namespace sockscope

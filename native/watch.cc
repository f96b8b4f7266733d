#include <poll.h>
#include <string.h>

#include "env_state.h"
#include "export_table.h"
#include "js.h"
#include "result.h"

namespace sockscope {

namespace {

const char* NameOf(ReactorKind kind) { return kind == ReactorKind::kEpoll ? "epoll" : "poll"; }

napi_value JsReactorUse(napi_env env, napi_callback_info info) {
  Args<1> args(env, info);
  char name[8];
  size_t length = 0;
  if (!args.ok() ||
      napi_get_value_string_utf8(env, args[0], name, sizeof(name), &length) != napi_ok)
    return Number(env, UV_EINVAL);
  constexpr ReactorKind kKinds[] = {ReactorKind::kEpoll, ReactorKind::kPoll};
  for (const ReactorKind kind : kKinds) {
    if (strcmp(name, NameOf(kind)) == 0)
      return Number(env, args.data<EnvState>()->UseReactor(kind) ? 0 : UV_ENOTSUP);
  }
  return Number(env, UV_EINVAL);
}

napi_value JsReactorKind(napi_env env, napi_callback_info info) {
  Args<1> args(env, info);
  napi_value result = nullptr;
  if (!args.ok()) return Number(env, UV_EINVAL);
  const char* name = NameOf(args.data<EnvState>()->reactor_kind());
  return napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &result) == napi_ok ? result
                                                                                  : nullptr;
}

napi_value JsReactorOpen(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  return Number(env, args.ok() ? args.data<EnvState>()->OpenReactor(args[0], args[1]) : UV_EINVAL);
}

napi_value JsWatch(napi_env env, napi_callback_info info) {
  Args<3> args(env, info);
  const int fd = args.Int(0);
  const int32_t slot = args.Int(1);
  const int32_t generation = args.Int(2);
  return Number(env, args.ok() ? args.data<EnvState>()->Watch(fd, slot, generation) : UV_EINVAL);
}

napi_value JsArm(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  const int fd = args.Int(0);
  const int32_t events = args.Int(1);
  return Number(env, args.ok() ? args.data<EnvState>()->Arm(fd, events) : UV_EINVAL);
}

napi_value JsResumeDelayed(napi_env env, napi_callback_info info) {
  Args<1> args(env, info);
  return Number(env, args.ok() ? args.data<EnvState>()->ResumeDelayed() : UV_EINVAL);
}

napi_value JsHold(napi_env env, napi_callback_info info) {
  Args<1> args(env, info);
  const bool on = args.Bool(0);
  if (args.ok()) args.data<EnvState>()->Hold(on);
  return nullptr;
}

napi_value JsPoll(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  const int fd = args.Int(0);
  const int32_t events = args.Int(1);
  if (!args.ok()) return Number(env, UV_EINVAL);
  pollfd entry = {};
  entry.fd = fd;
  if ((events & kReadable) != 0) entry.events |= POLLIN;
  if ((events & kWritable) != 0) entry.events |= POLLOUT;
  if ((events & kException) != 0) entry.events |= POLLPRI;
  const int count = Retry([&] { return poll(&entry, 1, 0); });
  if (count == -1) return Number(env, -errno);
  // poll(2) ignores a negative fd, and reports POLLNVAL for a closed one.
  if (fd < 0 || (entry.revents & POLLNVAL) != 0) return Number(env, UV_EBADF);
  int32_t ready = 0;
  if ((entry.revents & POLLIN) != 0) ready |= kReadable;
  if ((entry.revents & POLLOUT) != 0) ready |= kWritable;
  if ((entry.revents & (POLLERR | POLLHUP | POLLPRI)) != 0) ready |= kException;
  return Number(env, ready);
}

constexpr Export kExports[] = {
    {"reactorUse", JsReactorUse},
    {"reactorKind", JsReactorKind},
    {"reactorOpen", JsReactorOpen},
    {"watch", JsWatch},
    {"arm", JsArm},
    {"resumeDelayed", JsResumeDelayed},
    {"hold", JsHold},
    {"poll", JsPoll},
};

}  // namespace

constexpr ExportTable kWatchExports = kExports;

}  // namespace sockscope

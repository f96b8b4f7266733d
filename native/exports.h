#ifndef SOCKSCOPE_EXPORTS_H_
#define SOCKSCOPE_EXPORTS_H_

#include <node_api.h>
#include <stddef.h>

// The functions that JavaScript calls: the table in addon.cc names them, lib/binding.ts says what
// they do. Each is one system call at most, gets the EnvState as its data, returns a number (or
// what its type says) and never throws.

namespace sockscope {

// socket.cc
napi_value JsSocket(napi_env env, napi_callback_info info);
napi_value JsSocketPair(napi_env env, napi_callback_info info);
napi_value JsAdopt(napi_env env, napi_callback_info info);
napi_value JsRelease(napi_env env, napi_callback_info info);
napi_value JsClose(napi_env env, napi_callback_info info);
napi_value JsDup(napi_env env, napi_callback_info info);
napi_value JsBind(napi_env env, napi_callback_info info);
napi_value JsConnect(napi_env env, napi_callback_info info);
napi_value JsListen(napi_env env, napi_callback_info info);
napi_value JsAccept(napi_env env, napi_callback_info info);
napi_value JsShutdown(napi_env env, napi_callback_info info);
napi_value JsGetSockName(napi_env env, napi_callback_info info);
napi_value JsGetPeerName(napi_env env, napi_callback_info info);
napi_value JsOwnedCount(napi_env env, napi_callback_info info);

// options.cc
napi_value JsGetOptionInt(napi_env env, napi_callback_info info);
napi_value JsGetOptionBytes(napi_env env, napi_callback_info info);
napi_value JsSetOptionInt(napi_env env, napi_callback_info info);
napi_value JsSetOptionBytes(napi_env env, napi_callback_info info);
napi_value JsPeerCredentials(napi_env env, napi_callback_info info);
napi_value JsQueueSizes(napi_env env, napi_callback_info info);
napi_value JsUnreadSize(napi_env env, napi_callback_info info);

// sockaddr.cc
napi_value JsEncodeInet(napi_env env, napi_callback_info info);
napi_value JsEncodeUnix(napi_env env, napi_callback_info info);
napi_value JsDecodeInet(napi_env env, napi_callback_info info);
napi_value JsSockaddrFamily(napi_env env, napi_callback_info info);

// message.cc
napi_value JsRecv(napi_env env, napi_callback_info info);
napi_value JsSend(napi_env env, napi_callback_info info);
napi_value JsRecvFrom(napi_env env, napi_callback_info info);
napi_value JsSendTo(napi_env env, napi_callback_info info);
napi_value JsRecvMsg(napi_env env, napi_callback_info info);
napi_value JsSendMsg(napi_env env, napi_callback_info info);
napi_value JsRecvV(napi_env env, napi_callback_info info);
napi_value JsSendV(napi_env env, napi_callback_info info);
// How many buffers the last two take, each as an argument: an array's elements cost three times as
// much to reach.
constexpr size_t kMaxDirect = 64;

// batch.cc
napi_value JsRecvMmsg(napi_env env, napi_callback_info info);
napi_value JsSendMmsg(napi_env env, napi_callback_info info);

// ancillary.cc
napi_value JsControlSpace(napi_env env, napi_callback_info info);
napi_value JsEncodeControl(napi_env env, napi_callback_info info);
napi_value JsDecodeControl(napi_env env, napi_callback_info info);

// watch.cc
napi_value JsReactorUse(napi_env env, napi_callback_info info);
napi_value JsReactorKind(napi_env env, napi_callback_info info);
napi_value JsReactorOpen(napi_env env, napi_callback_info info);
napi_value JsWatch(napi_env env, napi_callback_info info);
napi_value JsArm(napi_env env, napi_callback_info info);
napi_value JsHold(napi_env env, napi_callback_info info);
napi_value JsPoll(napi_env env, napi_callback_info info);

// resolver.cc
napi_value JsGetAddrInfo(napi_env env, napi_callback_info info);
napi_value JsGetNameInfo(napi_env env, napi_callback_info info);

// constants.cc: fills an object with the platform's numbers.
bool DefineConstants(napi_env env, napi_value object);
// limits, likewise.
bool DefineLimits(napi_env env, napi_value object);

}  // namespace sockscope

#endif  // SOCKSCOPE_EXPORTS_H_

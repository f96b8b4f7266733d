// The module's entry: a state per environment, and the table of functions that lib/binding.ts
// describes.

#include <node_api.h>

#include "env_state.h"
#include "exports.h"

namespace sockscope {

namespace {

struct Export {
  const char* name;
  napi_callback function;
};

constexpr Export kExports[] = {
    {"encodeInet", JsEncodeInet},
    {"encodeUnix", JsEncodeUnix},
    {"decodeInet", JsDecodeInet},
    {"sockaddrFamily", JsSockaddrFamily},
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
    {"getsockoptInt", JsGetOptionInt},
    {"getsockoptBytes", JsGetOptionBytes},
    {"setsockoptInt", JsSetOptionInt},
    {"setsockoptBytes", JsSetOptionBytes},
    {"recv", JsRecv},
    {"send", JsSend},
    {"recvfrom", JsRecvFrom},
    {"sendto", JsSendTo},
    {"recvmsg", JsRecvMsg},
    {"sendmsg", JsSendMsg},
    {"recvv", JsRecvV},
    {"sendv", JsSendV},
    {"recvmmsg", JsRecvMmsg},
    {"sendmmsg", JsSendMmsg},
    {"controlSpace", JsControlSpace},
    {"encodeControl", JsEncodeControl},
    {"decodeControl", JsDecodeControl},
    {"peerCredentials", JsPeerCredentials},
    {"queueSizes", JsQueueSizes},
    {"unreadSize", JsUnreadSize},
    {"getaddrinfo", JsGetAddrInfo},
    {"getnameinfo", JsGetNameInfo},
    {"poll", JsPoll},
    {"reactorUse", JsReactorUse},
    {"reactorKind", JsReactorKind},
    {"reactorOpen", JsReactorOpen},
    {"watch", JsWatch},
    {"arm", JsArm},
    {"hold", JsHold},
    {"ownedCount", JsOwnedCount},
};

bool DefineObject(napi_env env, napi_value exports, const char* name,
                  bool (*fill)(napi_env, napi_value)) {
  napi_value object = nullptr;
  return napi_create_object(env, &object) == napi_ok && fill(env, object) &&
         napi_object_freeze(env, object) == napi_ok &&
         napi_set_named_property(env, exports, name, object) == napi_ok;
}

bool DefineFunctions(napi_env env, napi_value exports, EnvState* state) {
  for (const Export& entry : kExports) {
    napi_value function = nullptr;
    if (napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.function, state, &function) !=
            napi_ok ||
        napi_set_named_property(env, exports, entry.name, function) != napi_ok) {
      return false;
    }
  }
  return true;
}

}  // namespace

}  // namespace sockscope

NAPI_MODULE_INIT() {
  using namespace sockscope;
  EnvState* state = EnvState::New(env);
  if (state == nullptr || !DefineObject(env, exports, "constants", DefineConstants) ||
      !DefineObject(env, exports, "limits", DefineLimits) ||
      !DefineFunctions(env, exports, state)) {
    napi_throw_error(env, nullptr, "sockscope: this environment is ending, or memory is short");
    return nullptr;
  }
  return exports;
}

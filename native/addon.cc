// The entry of the addon: makes the state of the environment, and joins the tables of exports.

#include <napi.h>

#include "env_state.h"
#include "export_table.h"

namespace sockscope {

namespace {

// Defines one export. False if that fails. The functions are plain Node-API callbacks, because
// Napi::Function would wrap each call: native/README.md has the figures.
bool Define(Napi::Env env, Napi::Object exports, const Export& entry, EnvState* state) {
  napi_value value = nullptr;
  if (entry.object != nullptr) {
    value = entry.object(env);
  } else if (napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.function, state,
                                  &value) != napi_ok) {
    return false;
  }
  return value != nullptr && exports.Set(entry.name, value);
}

bool DefineAll(Napi::Env env, Napi::Object exports, EnvState* state) {
  for (const ExportTable& table :
       {kAncillaryExports, kBatchExports, kConstantsExports, kMessageExports, kOptionsExports,
        kResolverExports, kSockaddrExports, kSocketExports, kWatchExports}) {
    for (const Export& entry : table) {
      if (!Define(env, exports, entry, state)) return false;
    }
  }
  return true;
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  EnvState* state = EnvState::New(env);
  if ((state == nullptr || !DefineAll(env, exports, state)) && !env.IsExceptionPending()) {
    Napi::Error::New(env, "sockscope cannot start: the environment is ending, or memory is short")
        .ThrowAsJavaScriptException();
  }
  return exports;
}

}  // namespace

}  // namespace sockscope

using sockscope::Initialize;
NODE_API_MODULE(sockscope, Initialize)

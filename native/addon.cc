// The entry of the addon: joins the tables of exports into a binding, of which each evaluation of
// the package opens one.

#include <napi.h>

#include "env_state.h"
#include "export_table.h"
#include "memory.h"

namespace sockscope {

namespace {

// Defines one export. False if that fails. The functions are plain Node-API callbacks, because
// Napi::Function would wrap each call: native/README.md has the figures.
bool Define(Napi::Env env, Napi::Object binding, const Export& entry, EnvState* state) {
  napi_value value = nullptr;
  if (entry.object != nullptr) {
    value = entry.object(env);
  } else if (napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.function, state,
                                  &value) != napi_ok) {
    return false;
  }
  return value != nullptr && binding.Set(entry.name, value);
}

bool DefineAll(Napi::Env env, Napi::Object binding, EnvState* state) {
  for (const ExportTable& table :
       {kAncillaryExports, kBatchExports, kConstantsExports, kMessageExports, kOptionsExports,
        kResolverExports, kSockaddrExports, kSocketExports, kWatchExports}) {
    for (const Export& entry : table) {
      if (!Define(env, binding, entry, state)) return false;
    }
  }
  return true;
}

void Free(Napi::Env, Environment* environment) { Destroy(environment); }

void ThrowUnlessPending(Napi::Env env) {
  if (env.IsExceptionPending()) return;
  Napi::Error::New(env, "sockscope cannot start: the environment is ending, or memory is short")
      .ThrowAsJavaScriptException();
}

// Returns a new binding, with a state of its own.
napi_value JsOpen(napi_env raw, napi_callback_info info) {
  const Napi::Env env(raw);
  void* environment = nullptr;
  napi_get_cb_info(raw, info, nullptr, nullptr, nullptr, &environment);
  Napi::Object binding = Napi::Object::New(env);
  EnvState* state = binding.IsEmpty()
                        ? nullptr
                        : EnvState::New(env, binding, static_cast<Environment*>(environment));
  if (state != nullptr && DefineAll(env, binding, state)) return binding;
  ThrowUnlessPending(env);
  return nullptr;
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  Environment* environment = Create<Environment>();
  if (environment != nullptr) {
    env.SetInstanceData<Environment, Free>(environment);
    napi_value open = nullptr;
    if (napi_create_function(env, "open", NAPI_AUTO_LENGTH, JsOpen, environment, &open) ==
            napi_ok &&
        exports.Set("open", open)) {
      return exports;
    }
  }
  ThrowUnlessPending(env);
  return exports;
}

}  // namespace

}  // namespace sockscope

using sockscope::Initialize;
NODE_API_MODULE(sockscope, Initialize)

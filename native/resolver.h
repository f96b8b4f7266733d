#ifndef SOCKSCOPE_RESOLVER_H_
#define SOCKSCOPE_RESOLVER_H_

#include <node_api.h>
#include <uv.h>

#include "look_up.h"

namespace sockscope {

class EnvState;
struct ResolverShared;

// Runs look-ups on threads of its own, up to four, that end when they have been idle for a while:
// getaddrinfo(3) may hang for minutes, and in libuv's pool it would hold up the file system.
//
// To be used on the loop's thread only. The threads know nothing of the environment: they share a
// block with it that whoever is last frees. So an environment ends at once, also while a look-up
// hangs; nobody hears of its result.
class Resolver {
 public:
  // Null, and a negative code in `error`, if it cannot be opened.
  static Resolver* Open(EnvState* state, int32_t* error);
  // For Open only.
  explicit Resolver(EnvState* state) : state_(state) {}

  // Takes the look-up over if it returns 0. Then `deliver` is called once, from the loop.
  int32_t Submit(LookUp* look_up, napi_value deliver);
  // Starts its end: its close callback frees it. Nothing is delivered any more.
  void Close();

 private:
  int32_t Init();
  void StartThread();
  void Deliver(LookUp* look_up);
  void Forget(LookUp* look_up);
  uv_handle_t* AsHandle() { return reinterpret_cast<uv_handle_t*>(&async_); }

  static void OnAsync(uv_async_t* async);
  static void OnClosed(uv_handle_t* handle);

  EnvState* state_;
  ResolverShared* shared_ = nullptr;
  napi_async_context context_ = nullptr;
  // Under way, from Submit to delivery: the loop is kept alive while there are any.
  LookUp* under_way_ = nullptr;
  uv_async_t async_ = {};
};

}  // namespace sockscope

#endif  // SOCKSCOPE_RESOLVER_H_

#ifndef SOCKSCOPE_RESOLVER_H_
#define SOCKSCOPE_RESOLVER_H_

#include <node_api.h>
#include <uv.h>

#include "look_up.h"

namespace sockscope {

class EnvState;
struct ResolverShared;

// Runs look-ups on up to four threads of its own, which end after ten idle seconds. getaddrinfo(3)
// may hang for minutes, and in libuv's pool it would block file system calls.
//
// To be used on the loop's thread only. The threads do not know the environment: they share a block
// of memory with it, and the last owner frees the block. So an environment ends at once, even while
// a look-up hangs; the result is dropped.
class Resolver {
 public:
  // Null, and a negative code in `error`, if the resolver cannot be opened.
  static Resolver* Open(EnvState* state, int32_t* error);
  // For Open only.
  explicit Resolver(EnvState* state) : state_(state) {}

  // Returns 0 or a negative code. If 0, the resolver owns the look-up, and the loop calls `deliver`
  // once.
  int32_t Submit(LookUp* look_up, napi_value deliver);
  // Delivers nothing from here on. The close callback frees the resolver.
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
  // The look-ups from Submit to delivery. While there is one, the loop stays alive.
  LookUp* under_way_ = nullptr;
  uv_async_t async_ = {};
};

}  // namespace sockscope

#endif  // SOCKSCOPE_RESOLVER_H_

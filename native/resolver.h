#ifndef SOCKSCOPE_RESOLVER_H_
#define SOCKSCOPE_RESOLVER_H_

#include <node_api.h>
#include <uv.h>

#include "look_up.h"
#include "look_up_table.h"

namespace sockscope {

class EnvState;
struct ResolverShared;

// Runs look-ups on threads of its own, which end after ten idle seconds. getaddrinfo(3) may hang
// for minutes, and in libuv's pool it would block file system calls. It cannot be interrupted
// either: a look-up that nobody waits for any more is dropped if no thread has begun it; else its
// thread is counted apart, and another one takes the next look-up (resolver.cc has both limits).
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

  // Returns a ticket above 0, or a negative code. With a ticket, the resolver owns the look-up, and
  // the loop calls `deliver` once, unless `SetWanted` drops the look-up.
  int32_t Submit(LookUp* look_up, napi_value deliver);
  // Whether the loop stays alive for this look-up. Returns 1 if the look-up goes on, 0 if it was
  // dropped, because no thread had begun it, and UV_ENOENT for another ticket.
  int32_t SetWanted(int32_t ticket, bool wanted);
  // Delivers nothing from here on. The close callback frees the resolver.
  void Close();

 private:
  int32_t Init();
  void StartThreadIfNeeded(size_t waiting);
  void CountWanted(bool wanted);
  void Deliver(LookUp* look_up);
  void Forget(LookUp* look_up);
  uv_handle_t* AsHandle() { return reinterpret_cast<uv_handle_t*>(&async_); }

  static void OnAsync(uv_async_t* async);
  static void OnClosed(uv_handle_t* handle);

  EnvState* state_;
  ResolverShared* shared_ = nullptr;
  napi_async_context context_ = nullptr;
  // The look-ups from Submit to delivery.
  LookUpTable under_way_;
  // How many of them are wanted. While there is one, the loop stays alive.
  size_t wanted_ = 0;
  uv_async_t async_ = {};
};

}  // namespace sockscope

#endif  // SOCKSCOPE_RESOLVER_H_

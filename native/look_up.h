#ifndef SOCKSCOPE_LOOK_UP_H_
#define SOCKSCOPE_LOOK_UP_H_

#include <netdb.h>
#include <node_api.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

namespace sockscope {

// One getaddrinfo(3) or getnameinfo(3): its arguments, and then its results.
//
// Made and delivered on the loop's thread; `Run` is called on another. In between, a thread touches
// only what `Run` names, and the loop's thread only the links and the reference.
struct LookUp {
  // Null if memory is short.
  static LookUp* NewAddress(const char* host, const char* service, int family, int type,
                            int protocol, int flags);
  static LookUp* NewName(const void* address, size_t length, int flags);
  // The reference must be gone.
  static void Free(LookUp* look_up);

  // The blocking call.
  void Run();
  // The arguments for `deliver`: how many, or 0 if JavaScript cannot make them.
  size_t Results(napi_env env, napi_value arguments[3]) const;

  // In the queue, or in the list of those that are done.
  LookUp* next = nullptr;
  // In the list of the environment's own.
  LookUp* previous_under_way = nullptr;
  LookUp* next_under_way = nullptr;
  napi_ref deliver = nullptr;

  // Arguments. Names for an address look-up are null or owned.
  bool for_name = false;
  char* host = nullptr;
  char* service = nullptr;
  addrinfo hints = {};
  sockaddr_storage address = {};
  socklen_t address_length = 0;
  int flags = 0;

  // Results: 0 or a negative libuv code.
  int32_t status = 0;
  addrinfo* entries = nullptr;
  char* found_host = nullptr;
  char* found_service = nullptr;
};

}  // namespace sockscope

#endif  // SOCKSCOPE_LOOK_UP_H_

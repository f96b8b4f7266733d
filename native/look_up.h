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
// The loop's thread makes and delivers a look-up; another thread calls `Run`. In between, that
// thread touches arguments and results only, and the loop's thread ticket and reference only. Links
// and state are read and written under the resolver's mutex.
struct LookUp {
  enum class State { kQueued, kRunning, kDone };

  // Null if memory is short.
  static LookUp* NewAddress(const char* host, const char* service, int family, int type,
                            int protocol, int flags);
  static LookUp* NewName(const void* address, size_t length, int flags);
  // `deliver` must be deleted before.
  static void Free(LookUp* look_up);

  // The blocking call.
  void Run();
  // Makes the arguments for `deliver`, and returns their count. Where JavaScript cannot make one,
  // an exception is pending or the environment is going down: CallFromLoop handles both.
  size_t Results(napi_env env, napi_value arguments[3]) const;

  // The neighbours in the queue, or in the list of done look-ups.
  LookUp* previous = nullptr;
  LookUp* next = nullptr;
  State state = State::kQueued;
  // False while nobody waits for the result.
  bool wanted = true;
  // Its name in the environment's table.
  int32_t ticket = 0;
  napi_ref deliver = nullptr;

  // Arguments. `host` and `service` are null or owned.
  bool for_name = false;
  char* host = nullptr;
  char* service = nullptr;
  addrinfo hints = {};
  sockaddr_storage address = {};
  socklen_t address_length = 0;
  int flags = 0;

  // Results. `status` is 0 or a negative libuv code.
  int32_t status = 0;
  addrinfo* entries = nullptr;
  char* found_host = nullptr;
  char* found_service = nullptr;
};

}  // namespace sockscope

#endif  // SOCKSCOPE_LOOK_UP_H_

#include "look_up.h"

#include <errno.h>
#include <napi.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "memory.h"

namespace sockscope {

namespace {

// Enough for every name and service: RFC 1035 allows 255 bytes, and NI_MAXHOST differs between C
// libraries.
constexpr socklen_t kMaxHost = 1025;
constexpr socklen_t kMaxService = 256;

struct ResolverCode {
  int eai;
  int32_t code;
};

constexpr ResolverCode kResolverCodes[] = {
    {EAI_AGAIN, UV_EAI_AGAIN},
    {EAI_BADFLAGS, UV_EAI_BADFLAGS},
    {EAI_FAIL, UV_EAI_FAIL},
    {EAI_FAMILY, UV_EAI_FAMILY},
    {EAI_MEMORY, UV_EAI_MEMORY},
    {EAI_NONAME, UV_EAI_NONAME},
    {EAI_SERVICE, UV_EAI_SERVICE},
    {EAI_SOCKTYPE, UV_EAI_SOCKTYPE},
    {EAI_OVERFLOW, UV_EAI_OVERFLOW},
#ifdef EAI_ADDRFAMILY
    {EAI_ADDRFAMILY, UV_EAI_ADDRFAMILY},
#endif
#ifdef EAI_NODATA
    {EAI_NODATA, UV_EAI_NODATA},
#endif
};

int32_t CodeOf(int eai) {
  if (eai == 0) return 0;
  if (eai == EAI_SYSTEM) return errno == 0 ? UV_EAI_FAIL : -errno;
  for (const ResolverCode& entry : kResolverCodes) {
    if (entry.eai == eai) return entry.code;
  }
  return UV_EAI_FAIL;
}

// False if memory is short.
bool Copy(const char* text, char** out) {
  if (text == nullptr) return true;
  const size_t size = strlen(text) + 1;
  *out = static_cast<char*>(malloc(size));
  if (*out != nullptr) memcpy(*out, text, size);
  return *out != nullptr;
}

// [family, type, protocol, canonical name, sockaddr].
Napi::Array EntryOf(Napi::Env env, const addrinfo& entry) {
  Napi::Array result = Napi::Array::New(env, 5);
  const auto* address = reinterpret_cast<const uint8_t*>(entry.ai_addr);
  result.Set(0u, entry.ai_family);
  result.Set(1u, entry.ai_socktype);
  result.Set(2u, entry.ai_protocol);
  result.Set(3u, entry.ai_canonname == nullptr ? "" : entry.ai_canonname);
  result.Set(4u, Napi::Buffer<uint8_t>::Copy(env, address, entry.ai_addrlen));
  return result;
}

}  // namespace

LookUp* LookUp::NewAddress(const char* host, const char* service, int family, int type,
                           int protocol, int flags) {
  LookUp* look_up = Create<LookUp>();
  if (look_up == nullptr) return nullptr;
  if (!Copy(host, &look_up->host) || !Copy(service, &look_up->service)) {
    Free(look_up);
    return nullptr;
  }
  look_up->hints.ai_family = family;
  look_up->hints.ai_socktype = type;
  look_up->hints.ai_protocol = protocol;
  look_up->hints.ai_flags = flags;
  return look_up;
}

LookUp* LookUp::NewName(const void* address, size_t length, int flags) {
  LookUp* look_up = Create<LookUp>();
  if (look_up == nullptr) return nullptr;
  look_up->for_name = true;
  look_up->found_host = static_cast<char*>(calloc(1, kMaxHost));
  look_up->found_service = static_cast<char*>(calloc(1, kMaxService));
  if (look_up->found_host == nullptr || look_up->found_service == nullptr) {
    Free(look_up);
    return nullptr;
  }
  if (length > 0) memcpy(&look_up->address, address, length);
  look_up->address_length = static_cast<socklen_t>(length);
  look_up->flags = flags;
  return look_up;
}

void LookUp::Free(LookUp* look_up) {
  if (look_up->entries != nullptr) freeaddrinfo(look_up->entries);
  free(look_up->host);
  free(look_up->service);
  free(look_up->found_host);
  free(look_up->found_service);
  Destroy(look_up);
}

void LookUp::Run() {
  errno = 0;
  if (for_name) {
    const sockaddr* name = reinterpret_cast<const sockaddr*>(&address);
    status = CodeOf(
        getnameinfo(name, address_length, found_host, kMaxHost, found_service, kMaxService, flags));
  } else {
    status = CodeOf(getaddrinfo(host, service, &hints, &entries));
  }
}

size_t LookUp::Results(napi_env raw, napi_value arguments[3]) const {
  const Napi::Env env(raw);
  arguments[0] = Napi::Number::New(env, status);
  if (for_name) {
    // After a failure, both are empty.
    arguments[1] = Napi::String::New(env, status == 0 ? found_host : "");
    arguments[2] = Napi::String::New(env, status == 0 ? found_service : "");
    return 3;
  }
  if (status != 0) {
    arguments[1] = env.Null();
    return 2;
  }
  Napi::Array found = Napi::Array::New(env);
  uint32_t count = 0;
  for (const addrinfo* entry = entries; entry != nullptr; entry = entry->ai_next)
    found.Set(count++, EntryOf(env, *entry));
  arguments[1] = found;
  return 2;
}

}  // namespace sockscope

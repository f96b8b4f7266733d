#include "look_up.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "memory.h"

namespace sockscope {

namespace {

// Enough for every name and service: RFC 1035 has 255 bytes, and C libraries' own NI_MAXHOST
// differ.
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

bool SetInt(napi_env env, napi_value array, uint32_t index, int32_t number) {
  napi_value value = nullptr;
  return napi_create_int32(env, number, &value) == napi_ok &&
         napi_set_element(env, array, index, value) == napi_ok;
}

// [family, type, protocol, canonical name, sockaddr].
bool EntryOf(napi_env env, const addrinfo& entry, napi_value* out) {
  napi_value name = nullptr;
  napi_value address = nullptr;
  const char* canonical = entry.ai_canonname == nullptr ? "" : entry.ai_canonname;
  return napi_create_array_with_length(env, 5, out) == napi_ok &&
         SetInt(env, *out, 0, entry.ai_family) && SetInt(env, *out, 1, entry.ai_socktype) &&
         SetInt(env, *out, 2, entry.ai_protocol) &&
         napi_create_string_utf8(env, canonical, NAPI_AUTO_LENGTH, &name) == napi_ok &&
         napi_set_element(env, *out, 3, name) == napi_ok &&
         napi_create_buffer_copy(env, entry.ai_addrlen, entry.ai_addr, nullptr, &address) ==
             napi_ok &&
         napi_set_element(env, *out, 4, address) == napi_ok;
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
  memcpy(&look_up->address, address, length);
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

size_t LookUp::Results(napi_env env, napi_value arguments[3]) const {
  if (napi_create_int32(env, status, &arguments[0]) != napi_ok) return 0;
  if (for_name) {
    // After a failure, both are empty.
    const bool made = napi_create_string_utf8(env, status == 0 ? found_host : "", NAPI_AUTO_LENGTH,
                                              &arguments[1]) == napi_ok &&
                      napi_create_string_utf8(env, status == 0 ? found_service : "",
                                              NAPI_AUTO_LENGTH, &arguments[2]) == napi_ok;
    return made ? 3 : 0;
  }
  if (status != 0) return napi_get_null(env, &arguments[1]) == napi_ok ? 2 : 0;
  if (napi_create_array(env, &arguments[1]) != napi_ok) return 0;
  uint32_t count = 0;
  for (const addrinfo* entry = entries; entry != nullptr; entry = entry->ai_next) {
    napi_value element = nullptr;
    if (!EntryOf(env, *entry, &element) ||
        napi_set_element(env, arguments[1], count++, element) != napi_ok)
      return 0;
  }
  return 2;
}

}  // namespace sockscope

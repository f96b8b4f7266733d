#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "export_table.h"
#include "js.h"
#include "result.h"

namespace sockscope {

namespace {

// A sockaddr of BSD begins with its length.
template <typename T>
void SetLength(T* address, size_t length) {
#ifdef __linux__
  static_cast<void>(address);
  static_cast<void>(length);
#else
  reinterpret_cast<sockaddr*>(address)->sa_len = static_cast<uint8_t>(length);
#endif
}

int32_t Store(const View& out, const void* address, size_t length) {
  memcpy(out.data, address, length);
  return static_cast<int32_t>(length);
}

napi_value JsEncodeInet(napi_env env, napi_callback_info info) {
  Args<5> args(env, info);
  const View out = args.Bytes(0);
  const size_t port = args.Size(2);
  const size_t flowinfo = args.Size(3);
  const size_t scope_id = args.Size(4);
  if (!args.ok() || out.length < sizeof(sockaddr_in6) || port > 65535 || flowinfo > UINT32_MAX ||
      scope_id > UINT32_MAX) {
    return Number(env, UV_EINVAL);
  }
  // Longer than any address: a text that does not fit is no address.
  char text[INET6_ADDRSTRLEN + 1];
  size_t length = 0;
  if (napi_get_value_string_utf8(env, args[1], text, sizeof(text), &length) != napi_ok ||
      strlen(text) != length) {
    return Number(env, UV_EINVAL);
  }
  sockaddr_in v4 = {};
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<uint16_t>(port));
    SetLength(&v4, sizeof(v4));
    return Number(env, Store(out, &v4, sizeof(v4)));
  }
  sockaddr_in6 v6 = {};
  if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<uint16_t>(port));
    v6.sin6_flowinfo = htonl(static_cast<uint32_t>(flowinfo));
    v6.sin6_scope_id = static_cast<uint32_t>(scope_id);
    SetLength(&v6, sizeof(v6));
    return Number(env, Store(out, &v6, sizeof(v6)));
  }
  return Number(env, UV_EINVAL);
}

napi_value JsEncodeUnix(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  const View out = args.Bytes(0);
  const View path = args.Bytes(1);
  if (!args.ok() || out.length < sizeof(sockaddr_un)) return Number(env, UV_EINVAL);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  size_t length = offsetof(sockaddr_un, sun_path) + path.length;
  if (path.length > 0 && path.data[0] == 0) {
#ifdef __linux__
    // An abstract name: NUL bytes are part of it, and none ends it (unix(7)).
    if (path.length > sizeof(address.sun_path)) return Number(env, UV_ENAMETOOLONG);
#else
    return Number(env, UV_ENOTSUP);
#endif
  } else if (path.length > 0) {
    // The kernel reads a path up to its first NUL, and would use another file.
    if (memchr(path.data, 0, path.length) != nullptr) return Number(env, UV_EINVAL);
    // The path goes out with its NUL: Linux does not need it, but other programs do.
    if (path.length >= sizeof(address.sun_path)) return Number(env, UV_ENAMETOOLONG);
    length++;
  }
  if (path.length > 0) memcpy(address.sun_path, path.data, path.length);
  SetLength(&address, length);
  return Number(env, Store(out, &address, length));
}

napi_value JsDecodeInet(napi_env env, napi_callback_info info) {
  Args<3> args(env, info);
  const View in = args.Bytes(0);
  const size_t length = args.Size(1);
  uint32_t* fields = args.Numbers<uint32_t>(2, 3);
  if (!args.ok() || length > in.length || length < offsetof(sockaddr, sa_data))
    return Number(env, UV_EINVAL);
  // The view may lie at an odd address, so the sockaddr is copied, never cast.
  sockaddr_storage storage = {};
  memcpy(&storage, in.data, length < sizeof(storage) ? length : sizeof(storage));
  char text[INET6_ADDRSTRLEN];
  if (storage.ss_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in v4;
    memcpy(&v4, &storage, sizeof(v4));
    if (inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text)) == nullptr) return Number(env, -errno);
    fields[0] = ntohs(v4.sin_port);
    fields[1] = 0;
    fields[2] = 0;
  } else if (storage.ss_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    sockaddr_in6 v6;
    memcpy(&v6, &storage, sizeof(v6));
    if (inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text)) == nullptr)
      return Number(env, -errno);
    fields[0] = ntohs(v6.sin6_port);
    fields[1] = ntohl(v6.sin6_flowinfo);
    fields[2] = v6.sin6_scope_id;
  } else {
    return Number(env, UV_EAFNOSUPPORT);
  }
  napi_value result = nullptr;
  return napi_create_string_latin1(env, text, NAPI_AUTO_LENGTH, &result) == napi_ok ? result
                                                                                    : nullptr;
}

napi_value JsSockaddrFamily(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  const View in = args.Bytes(0);
  const size_t length = args.Size(1);
  if (!args.ok() || length > in.length || length < offsetof(sockaddr, sa_data))
    return Number(env, UV_EINVAL);
  sockaddr head = {};
  memcpy(&head, in.data, offsetof(sockaddr, sa_data));
  return Number(env, head.sa_family);
}

constexpr Export kExports[] = {
    {"encodeInet", JsEncodeInet},
    {"encodeUnix", JsEncodeUnix},
    {"decodeInet", JsDecodeInet},
    {"sockaddrFamily", JsSockaddrFamily},
};

}  // namespace

constexpr ExportTable kSockaddrExports = kExports;

}  // namespace sockscope

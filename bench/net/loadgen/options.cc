#include "options.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "result.h"

namespace {

constexpr char kUsage[] =
    "usage: loadgen MODE ADDRESS [--connections N] [--size BYTES] [--window N] [--lines N] "
    "[--warmup SECONDS] [--seconds SECONDS]\n"
    "               [--requests N] [--gro] [--server PID,...]\n"
    "  MODE     echo      messages that must come back (any address)\n"
    "           send      one way to a server that counts (any address)\n"
    "           receive   one way to the address that this program prints (udp, unix-dgram)\n"
    "           connect   open, one exchange, close (tcp, unix)\n"
    "           idle      connections that do nothing after one exchange (tcp, unix)\n"
    "  ADDRESS  tcp:HOST:PORT udp:HOST:PORT unix:PATH unix-dgram:PATH\n"
    "Only loopback addresses, 198.18.0.0/15 (for benchmarks, RFC 2544) and Unix sockets.\n"
    "Prints one line of JSON.";

double Number(const char* name, const char* text, double least, double most) {
  char* end = nullptr;
  const double value = strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= least && value <= most)) {
    Fail("%s must be a number from %g to %g, not \"%s\"", name, least, most, text);
  }
  return value;
}

// The load must not leave this machine, however this program is started.
void CheckLocal(const std::string& host) {
  in_addr address;
  if (inet_pton(AF_INET, host.c_str(), &address) != 1)
    Fail("not an IPv4 address: %s", host.c_str());
  const uint32_t number = ntohl(address.s_addr);
  if ((number >> 24) != 127 && (number >> 17) != (198u << 7 | 18u >> 1))
    Fail("not an address of this machine: %s", host.c_str());
}

void ParseAddress(const std::string& text, Options* options) {
  const size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  const std::string rest = colon == std::string::npos ? "" : text.substr(colon + 1);
  options->is_inet = kind == "tcp" || kind == "udp";
  options->is_stream = kind == "tcp" || kind == "unix";
  if (!options->is_inet && kind != "unix" && kind != "unix-dgram")
    Fail("not an address: %s\n%s", text.c_str(), kUsage);
  if (!options->is_inet) {
    options->path = rest;
    if (rest.empty()) Fail("an empty path");
    return;
  }
  const size_t last = rest.rfind(':');
  if (last == std::string::npos) Fail("no port in %s", text.c_str());
  options->host = rest.substr(0, last);
  CheckLocal(options->host);
  options->port = static_cast<uint16_t>(Number("port", rest.c_str() + last + 1, 0, 65535));
}

void ParseServers(const char* text, Options* options) {
  std::string list = text;
  for (char* pid = strtok(list.data(), ","); pid != nullptr; pid = strtok(nullptr, ",")) {
    options->servers.push_back(static_cast<pid_t>(Number("--server", pid, 1, 1 << 30)));
  }
}

}  // namespace

Options ParseOptions(int argc, char** argv) {
  Options options;
  if (argc < 3) Fail("%s", kUsage);
  options.mode = argv[1];
  ParseAddress(argv[2], &options);
  for (int i = 3; i < argc; i++) {
    const std::string name = argv[i];
    if (name == "--gro") {
      options.gro = true;
      continue;
    }
    if (i + 1 == argc) Fail("%s needs a value", name.c_str());
    const char* value = argv[++i];
    if (name == "--connections") {
      options.connections = static_cast<int>(Number("--connections", value, 1, 100000));
    } else if (name == "--size") {
      options.size = static_cast<size_t>(Number("--size", value, 1, 1 << 26));
    } else if (name == "--window") {
      options.window = static_cast<int>(Number("--window", value, 1, 65536));
    } else if (name == "--lines") {
      options.lines = static_cast<unsigned>(Number("--lines", value, 1, 1000));
    } else if (name == "--warmup") {
      options.warmup = Number("--warmup", value, 0, 600);
    } else if (name == "--seconds") {
      options.seconds = Number("--seconds", value, 0.001, 600);
    } else if (name == "--requests") {
      options.requests = static_cast<uint64_t>(Number("--requests", value, 0, 1e15));
    } else if (name == "--server") {
      ParseServers(value, &options);
    } else {
      Fail("unknown option %s\n%s", name.c_str(), kUsage);
    }
  }
  if (options.lines > 0 && options.size % options.lines != 0)
    Fail("--size must be a multiple of --lines");
  return options;
}

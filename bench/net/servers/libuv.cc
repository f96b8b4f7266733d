// The lower bound: the same work on libuv alone, which Node.js is built on. server-process.mjs
// describes arguments, output and end. Data is received into one buffer per loop and written at
// once; only what the kernel does not take is copied and queued.
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include <string>
#include <vector>

namespace {

constexpr size_t kReceiveBytes = 65536;
constexpr int kBacklog = 4096;

struct Settings {
  std::string kind;
  std::string transport;
  std::string host;
  std::string path;
  int port = 0;
  size_t size = 0;
} settings;

char receive_buffer[kReceiveBytes];

void Check(int status, const char* what) {
  if (status >= 0) return;
  fprintf(stderr, "%s: %s\n", what, uv_strerror(status));
  exit(1);
}

void Announce(int port) {
  const std::string where =
      settings.transport == "unix" ? settings.path : settings.host + ":" + std::to_string(port);
  printf("{\"address\":\"%s:%s\",\"pids\":[%d]}\n", settings.transport.c_str(), where.c_str(),
         static_cast<int>(getpid()));
  fflush(stdout);
}

void Allocate(uv_handle_t*, size_t, uv_buf_t* buffer) {
  *buffer = uv_buf_init(receive_buffer, kReceiveBytes);
}

// ── streams ──

struct Connection {
  union {
    uv_tcp_t tcp;
    uv_pipe_t pipe;
    uv_stream_t stream;
    uv_handle_t handle;
  };
  uint64_t received = 0;
  unsigned queued = 0;
  bool ending = false;
  std::vector<char> line;
};

struct QueuedWrite {
  uv_write_t request;
  Connection* connection;
  std::vector<char> data;
};

void Close(Connection* connection) {
  if (uv_is_closing(&connection->handle)) return;
  uv_close(&connection->handle,
           [](uv_handle_t* handle) { delete static_cast<Connection*>(handle->data); });
}

void OnRead(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer);

void OnWritten(uv_write_t* request, int status) {
  auto* write = static_cast<QueuedWrite*>(request->data);
  Connection* connection = write->connection;
  delete write;
  connection->queued--;
  if (status < 0 || (connection->ending && connection->queued == 0)) {
    Close(connection);
  } else if (connection->queued == 0) {
    uv_read_start(&connection->stream, Allocate, OnRead);
  }
}

void Write(Connection* connection, uv_buf_t* buffers, unsigned count) {
  size_t sent = 0;
  if (connection->queued == 0) {
    const int status = uv_try_write(&connection->stream, buffers, count);
    if (status < 0 && status != UV_EAGAIN) return Close(connection);
    if (status > 0) sent = static_cast<size_t>(status);
  }
  auto* write = new QueuedWrite;
  for (unsigned i = 0; i < count; i++) {
    const size_t skipped = sent < buffers[i].len ? sent : buffers[i].len;
    sent -= skipped;
    write->data.insert(write->data.end(), buffers[i].base + skipped,
                       buffers[i].base + buffers[i].len);
  }
  if (write->data.empty()) {
    delete write;
    return;
  }
  write->connection = connection;
  write->request.data = write;
  uv_buf_t rest = uv_buf_init(write->data.data(), static_cast<unsigned>(write->data.size()));
  connection->queued++;
  // Reading stops until this write is done, so that memory does not grow.
  uv_read_stop(&connection->stream);
  Check(uv_write(&write->request, &connection->stream, &rest, 1, OnWritten), "uv_write");
}

void WriteLines(Connection* connection, char* data, size_t size) {
  std::vector<char>& line = connection->line;
  const bool whole = line.empty();
  if (!whole) line.insert(line.end(), data, data + size);
  char* begin = whole ? data : line.data();
  char* end = begin + (whole ? size : line.size());
  std::vector<uv_buf_t> lines;
  for (char* stop;
       (stop = static_cast<char*>(memchr(begin, '\n', static_cast<size_t>(end - begin)))) !=
       nullptr;
       begin = stop + 1) {
    lines.push_back(uv_buf_init(begin, static_cast<unsigned>(stop + 1 - begin)));
  }
  if (!lines.empty()) Write(connection, lines.data(), static_cast<unsigned>(lines.size()));
  std::vector<char> rest(begin, end);
  line.swap(rest);
}

void OnEnd(Connection* connection) {
  if (settings.kind == "sink") {
    char answer[8];
    for (unsigned i = 0; i < 8; i++) answer[i] = static_cast<char>(connection->received >> (8 * i));
    uv_buf_t buffer = uv_buf_init(answer, 8);
    Write(connection, &buffer, 1);
  }
  if (connection->queued == 0) return Close(connection);
  connection->ending = true;
}

void OnRead(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
  auto* connection = static_cast<Connection*>(stream->data);
  if (count == 0) return;
  if (count == UV_EOF) return OnEnd(connection);
  if (count < 0) return Close(connection);
  if (settings.kind == "sink") {
    connection->received += static_cast<uint64_t>(count);
  } else if (settings.kind == "lines") {
    WriteLines(connection, buffer->base, static_cast<size_t>(count));
  } else {
    uv_buf_t data = uv_buf_init(buffer->base, static_cast<unsigned>(count));
    Write(connection, &data, 1);
  }
}

void OnConnection(uv_stream_t* listener, int status) {
  if (status < 0) return;
  auto* connection = new Connection;
  const bool is_unix = settings.transport == "unix";
  if (is_unix) {
    uv_pipe_init(listener->loop, &connection->pipe, 0);
  } else {
    uv_tcp_init(listener->loop, &connection->tcp);
  }
  connection->handle.data = connection;
  if (uv_accept(listener, &connection->stream) < 0) return Close(connection);
  if (!is_unix) uv_tcp_nodelay(&connection->tcp, 1);
  uv_read_start(&connection->stream, Allocate, OnRead);
}

void ServeStream(uv_loop_t* loop) {
  if (settings.transport == "unix") {
    auto* listener = new uv_pipe_t;
    Check(uv_pipe_init(loop, listener, 0), "uv_pipe_init");
    Check(uv_pipe_bind(listener, settings.path.c_str()), "uv_pipe_bind");
    Check(uv_listen(reinterpret_cast<uv_stream_t*>(listener), kBacklog, OnConnection), "uv_listen");
    Announce(0);
    return;
  }
  auto* listener = new uv_tcp_t;
  sockaddr_in address;
  Check(uv_ip4_addr(settings.host.c_str(), settings.port, &address), "uv_ip4_addr");
  Check(uv_tcp_init(loop, listener), "uv_tcp_init");
  Check(uv_tcp_bind(listener, reinterpret_cast<sockaddr*>(&address), 0), "uv_tcp_bind");
  Check(uv_listen(reinterpret_cast<uv_stream_t*>(listener), kBacklog, OnConnection), "uv_listen");
  int length = sizeof address;
  Check(uv_tcp_getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length),
        "uv_tcp_getsockname");
  Announce(ntohs(address.sin_port));
}

// ── UDP ──

uint64_t datagram_count = 0;

void OnDatagram(uv_udp_t* server, ssize_t count, const uv_buf_t* buffer, const sockaddr* sender,
                unsigned) {
  if (count < 0 || sender == nullptr) return;
  uv_buf_t data = uv_buf_init(buffer->base, static_cast<unsigned>(count));
  if (settings.kind == "sink") {
    if (count > 1) {
      datagram_count++;
      return;
    }
    for (unsigned i = 0; i < 8; i++) data.base[i] = static_cast<char>(datagram_count >> (8 * i));
    data.len = 8;
  }
  // A datagram that the kernel has no room for is lost, as UDP allows.
  uv_udp_try_send(server, &data, 1, sender);
}

void ServeUdp(uv_loop_t* loop) {
  auto* server = new uv_udp_t;
  sockaddr_in address;
  Check(uv_ip4_addr(settings.host.c_str(), settings.port, &address), "uv_ip4_addr");
  Check(uv_udp_init(loop, server), "uv_udp_init");
  Check(uv_udp_bind(server, reinterpret_cast<sockaddr*>(&address), 0), "uv_udp_bind");
  Check(uv_udp_recv_start(server, Allocate, OnDatagram), "uv_udp_recv_start");
  int length = sizeof address;
  Check(uv_udp_getsockname(server, reinterpret_cast<sockaddr*>(&address), &length),
        "uv_udp_getsockname");
  Announce(ntohs(address.sin_port));
}

// Sends between `send ADDRESS` and `stop`, each a line on stdin.
struct Source {
  uv_udp_t socket;
  uv_idle_t idle;
  uv_pipe_t commands;
  std::vector<char> packet;
  std::string line;
} source;

void SendSome(uv_idle_t*) {
  uv_buf_t data = uv_buf_init(source.packet.data(), static_cast<unsigned>(source.packet.size()));
  for (int i = 0; i < 64; i++) uv_udp_try_send(&source.socket, &data, 1, nullptr);
}

void Obey(const std::string& command) {
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&source.idle))) {
    uv_idle_stop(&source.idle);
    Check(uv_udp_connect(&source.socket, nullptr), "uv_udp_connect");
  }
  const size_t last = command.rfind(':');
  const size_t first = command.find(':');
  if (command.compare(0, 5, "send ") != 0 || first == last) return;
  sockaddr_in to;
  Check(uv_ip4_addr(command.substr(first + 1, last - first - 1).c_str(),
                    atoi(command.c_str() + last + 1), &to),
        "uv_ip4_addr");
  Check(uv_udp_connect(&source.socket, reinterpret_cast<sockaddr*>(&to)), "uv_udp_connect");
  Check(uv_idle_start(&source.idle, SendSome), "uv_idle_start");
}

void OnInput(uv_stream_t*, ssize_t count, const uv_buf_t* buffer) {
  // End of stdin: the runner has ended, or is done.
  if (count < 0) exit(0);
  for (ssize_t i = 0; i < count; i++) {
    if (buffer->base[i] != '\n') {
      source.line += buffer->base[i];
      continue;
    }
    if (settings.kind == "source") Obey(source.line);
    source.line.clear();
  }
}

void AllocateInput(uv_handle_t*, size_t, uv_buf_t* buffer) {
  static char memory[1024];
  *buffer = uv_buf_init(memory, sizeof memory);
}

void ParseArguments(int argc, char** argv) {
  if (argc < 3) Check(UV_EINVAL, "KIND ADDRESS [size=BYTES]");
  settings.kind = argv[1];
  const std::string address = argv[2];
  const size_t first = address.find(':');
  const size_t last = address.rfind(':');
  settings.transport = address.substr(0, first);
  if (settings.transport == "unix") {
    settings.path = address.substr(first + 1);
  } else if (first < last) {
    settings.host = address.substr(first + 1, last - first - 1);
    settings.port = atoi(address.c_str() + last + 1);
  }
  for (int i = 3; i < argc; i++) {
    if (strncmp(argv[i], "size=", 5) == 0) settings.size = static_cast<size_t>(atol(argv[i] + 5));
  }
}

void RaiseFileLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  ParseArguments(argc, argv);
  RaiseFileLimit();
  // libuv writes to Unix sockets without MSG_NOSIGNAL: a peer that has closed must not end this
  // process.
  signal(SIGPIPE, SIG_IGN);
  uv_loop_t* loop = uv_default_loop();
  if (settings.kind == "source") {
    for (size_t i = 0; i < settings.size; i++)
      source.packet.push_back(static_cast<char>(i * 7 + 3));
    Check(uv_udp_init(loop, &source.socket), "uv_udp_init");
    Check(uv_idle_init(loop, &source.idle), "uv_idle_init");
    printf("{\"address\":\"unix:\",\"pids\":[%d]}\n", static_cast<int>(getpid()));
    fflush(stdout);
  } else if (settings.transport == "udp") {
    ServeUdp(loop);
  } else {
    ServeStream(loop);
  }
  Check(uv_pipe_init(loop, &source.commands, 0), "uv_pipe_init");
  Check(uv_pipe_open(&source.commands, STDIN_FILENO), "uv_pipe_open");
  Check(uv_read_start(reinterpret_cast<uv_stream_t*>(&source.commands), AllocateInput, OnInput),
        "uv_read_start");
  return uv_run(loop, UV_RUN_DEFAULT);
}

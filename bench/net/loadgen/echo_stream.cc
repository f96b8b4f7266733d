#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <vector>

#include "clock.h"
#include "modes.h"
#include "payload.h"
#include "result.h"
#include "sockets.h"

namespace {

constexpr size_t kChunk = 256 * 1024;

struct Connection {
  int fd;
  uint64_t id;
  // Numbers of messages: begun to be sent, sent whole, come back whole.
  uint64_t begun = 0;
  uint64_t sent = 0;
  uint64_t returned = 0;
  size_t send_offset = 0;
  size_t return_offset = 0;
  std::vector<uint64_t> begin_times;
};

class EchoRun {
 public:
  explicit EchoRun(const Options& options)
      : options_(options),
        payload_(options.size, options.lines),
        measurement_(options),
        chunk_(kChunk) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) FailErrno("epoll_create1");
    for (int i = 0; i < options.connections; i++) connections_.push_back(Open(i));
  }

  void Run() {
    const auto window = static_cast<uint64_t>(options_.window);
    for (Connection& connection : connections_) {
      connection.begun = window;
      for (uint64_t& time : connection.begin_times) time = Now();
      Send(&connection);
    }
    std::vector<epoll_event> events(256);
    while (measurement_.Running(Now())) {
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 100);
      if (count < 0 && errno != EINTR) FailErrno("epoll_wait");
      for (int i = 0; i < count; i++) {
        Connection* connection = &connections_[events[static_cast<size_t>(i)].data.u32];
        Receive(connection);
        Send(connection);
      }
    }
    measurement_.Print("echo");
  }

 private:
  Connection Open(int index) {
    Connection connection;
    connection.fd = ConnectStream(options_, index);
    connection.id = static_cast<uint64_t>(index);
    connection.begin_times.resize(static_cast<size_t>(options_.window));
    // Edges of both directions: no system call per wait.
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.u32 = static_cast<uint32_t>(index);
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event) < 0) FailErrno("epoll_ctl");
    return connection;
  }

  void Send(Connection* connection) {
    while (connection->sent < connection->begun) {
      const uint8_t* message = payload_.Message(connection->id, connection->sent);
      const size_t left = payload_.size() - connection->send_offset;
      const ssize_t count =
          send(connection->fd, message + connection->send_offset, left, MSG_NOSIGNAL);
      if (count < 0) {
        if (errno == EAGAIN) return;
        FailErrno("send");
      }
      connection->send_offset += static_cast<size_t>(count);
      if (connection->send_offset < payload_.size()) continue;
      connection->send_offset = 0;
      connection->sent++;
    }
  }

  void Receive(Connection* connection) {
    for (;;) {
      const ssize_t count = recv(connection->fd, chunk_.data(), chunk_.size(), 0);
      if (count < 0) {
        if (errno == EAGAIN) return;
        FailErrno("recv");
      }
      if (count == 0)
        Fail("the server closed connection %d after %llu messages",
             static_cast<int>(connection->id),
             static_cast<unsigned long long>(connection->returned));
      Check(connection, static_cast<size_t>(count));
      // After a full chunk there may be more data; after a short one, epoll reports the next edge.
      if (static_cast<size_t>(count) < chunk_.size()) return;
    }
  }

  void Check(Connection* connection, size_t count) {
    measurement_.CountBytes(count);
    const uint8_t* data = chunk_.data();
    while (count > 0) {
      const uint8_t* message = payload_.Message(connection->id, connection->returned);
      const size_t left = payload_.size() - connection->return_offset;
      const size_t part = count < left ? count : left;
      if (connection->returned >= connection->begun ||
          memcmp(data, message + connection->return_offset, part) != 0) {
        Fail("connection %d: what came back is not message %llu", static_cast<int>(connection->id),
             static_cast<unsigned long long>(connection->returned));
      }
      data += part;
      count -= part;
      connection->return_offset += part;
      if (part == left) Complete(connection);
    }
  }

  // The whole message is back: the next one of the window begins.
  void Complete(Connection* connection) {
    uint64_t& began =
        connection->begin_times[connection->returned % connection->begin_times.size()];
    const uint64_t now = Now();
    measurement_.Count(now - began);
    began = now;
    connection->return_offset = 0;
    connection->returned++;
    connection->begun++;
  }

  const Options& options_;
  Payload payload_;
  Measurement measurement_;
  std::vector<uint8_t> chunk_;
  std::vector<Connection> connections_;
  int epoll_;
};

}  // namespace

void EchoStream(const Options& options) { EchoRun(options).Run(); }

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <deque>
#include <vector>

#include "clock.h"
#include "modes.h"
#include "payload.h"
#include "result.h"
#include "sockets.h"

namespace {

constexpr size_t kBatch = 64;
constexpr size_t kMaxDatagram = 65536;
constexpr size_t kHeader = 8;
constexpr uint64_t kLostAfter = 100'000'000;

// One message under way. Its datagram begins with its place and its turn: an answer that comes
// after it was given up is recognised.
struct Slot {
  uint32_t socket;
  uint32_t turn = 0;
  uint64_t sent = 0;
  bool waiting = false;
};

class DatagramEchoRun {
 public:
  explicit DatagramEchoRun(const Options& options)
      : options_(options),
        payload_(options.size, 0),
        measurement_(options),
        memory_(kBatch * kMaxDatagram) {
    if (options.size < kHeader)
      Fail("a datagram must have at least %d bytes", static_cast<int>(kHeader));
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) FailErrno("epoll_create1");
    outgoing_.resize(static_cast<size_t>(options.connections));
    blocked_.resize(static_cast<size_t>(options.connections));
    for (int i = 0; i < options.connections; i++) Open(i);
  }

  void Run() {
    for (uint32_t i = 0; i < static_cast<uint32_t>(options_.connections); i++) {
      for (int j = 0; j < options_.window; j++) {
        slots_.push_back({i});
        outgoing_[i].push_back(static_cast<uint32_t>(slots_.size() - 1));
      }
      Send(i);
    }
    uint64_t next_scan = Now() + kLostAfter;
    std::vector<epoll_event> events(64);
    for (uint64_t now = Now(); measurement_.Running(now); now = Now()) {
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 20);
      if (count < 0 && errno != EINTR) FailErrno("epoll_wait");
      for (int i = 0; i < count; i++) {
        const uint32_t socket = events[static_cast<size_t>(i)].data.u32;
        if (events[static_cast<size_t>(i)].events & EPOLLIN) Receive(socket);
        Send(socket);
      }
      if (now >= next_scan) {
        GiveUp(Now());
        next_scan = now + kLostAfter / 10;
      }
    }
    measurement_.Print("echo");
  }

 private:
  void Open(int index) {
    sockets_.push_back(ConnectDatagram(options_, index, true));
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u32 = static_cast<uint32_t>(index);
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, sockets_.back(), &event) < 0) FailErrno("epoll_ctl");
  }

  void Send(uint32_t socket) {
    std::deque<uint32_t>& queue = outgoing_[socket];
    while (!queue.empty()) {
      mmsghdr messages[kBatch] = {};
      iovec parts[kBatch][2];
      uint32_t headers[kBatch][2];
      const size_t count = queue.size() < kBatch ? queue.size() : kBatch;
      const uint64_t now = Now();
      for (size_t i = 0; i < count; i++) {
        Slot& slot = slots_[queue[i]];
        slot.sent = now;
        headers[i][0] = queue[i];
        headers[i][1] = slot.turn;
        parts[i][0] = {headers[i], kHeader};
        parts[i][1] = {const_cast<uint8_t*>(payload_.Message(queue[i], slot.turn)) + kHeader,
                       payload_.size() - kHeader};
        messages[i].msg_hdr.msg_iov = parts[i];
        messages[i].msg_hdr.msg_iovlen = 2;
      }
      const int sent = sendmmsg(sockets_[socket], messages, static_cast<unsigned>(count), 0);
      if (sent < 0) {
        if (errno != EAGAIN && errno != ENOBUFS) FailErrno("sendmmsg");
        measurement_.CountBlocked();
        Watch(socket, true);
        return;
      }
      for (int i = 0; i < sent; i++) {
        slots_[queue.front()].waiting = true;
        queue.pop_front();
      }
    }
    Watch(socket, false);
  }

  // Registers or ends interest in writability: only Unix datagrams wait for room in the server's
  // queue.
  void Watch(uint32_t socket, bool writable) {
    if (blocked_[socket] == writable) return;
    blocked_[socket] = writable;
    epoll_event event = {};
    event.events = EPOLLIN | (writable ? EPOLLOUT : 0u);
    event.data.u32 = socket;
    if (epoll_ctl(epoll_, EPOLL_CTL_MOD, sockets_[socket], &event) < 0) FailErrno("epoll_ctl");
  }

  void Receive(uint32_t socket) {
    for (;;) {
      mmsghdr messages[kBatch] = {};
      iovec parts[kBatch];
      for (size_t i = 0; i < kBatch; i++) {
        parts[i] = {memory_.data() + i * kMaxDatagram, kMaxDatagram};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
      }
      const int count = recvmmsg(sockets_[socket], messages, kBatch, 0, nullptr);
      if (count < 0) {
        if (errno == EAGAIN) return;
        FailErrno("recvmmsg");
      }
      for (size_t i = 0; i < static_cast<size_t>(count); i++)
        Check(socket, memory_.data() + i * kMaxDatagram, messages[i].msg_len);
      if (static_cast<size_t>(count) < kBatch) return;
    }
  }

  void Check(uint32_t socket, const uint8_t* data, size_t size) {
    uint32_t header[2];
    if (size != payload_.size())
      Fail("a datagram of %zu bytes came back with %zu", payload_.size(), size);
    memcpy(header, data, kHeader);
    if (header[0] >= slots_.size()) Fail("a datagram came back changed");
    Slot& slot = slots_[header[0]];
    if (slot.socket != socket) Fail("a datagram came back to another socket");
    if (memcmp(data + kHeader, payload_.Message(header[0], header[1]) + kHeader, size - kHeader) !=
        0)
      Fail("a datagram came back changed");
    // An answer of an earlier turn, which was given up as lost, and was only late.
    if (slot.turn != header[1] || !slot.waiting) return;
    measurement_.Count(Now() - slot.sent);
    measurement_.CountBytes(size);
    Repeat(header[0]);
  }

  void Repeat(uint32_t index) {
    Slot& slot = slots_[index];
    slot.turn++;
    slot.waiting = false;
    outgoing_[slot.socket].push_back(index);
  }

  void GiveUp(uint64_t now) {
    for (uint32_t i = 0; i < slots_.size(); i++) {
      if (!slots_[i].waiting || now - slots_[i].sent < kLostAfter) continue;
      measurement_.CountLost(1);
      Repeat(i);
    }
    for (uint32_t i = 0; i < outgoing_.size(); i++) Send(i);
  }

  const Options& options_;
  Payload payload_;
  Measurement measurement_;
  std::vector<uint8_t> memory_;
  std::vector<int> sockets_;
  std::vector<Slot> slots_;
  std::vector<std::deque<uint32_t>> outgoing_;
  std::vector<bool> blocked_;
  int epoll_;
};

}  // namespace

void EchoDatagrams(const Options& options) { DatagramEchoRun(options).Run(); }

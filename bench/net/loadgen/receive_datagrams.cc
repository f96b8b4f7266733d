#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "clock.h"
#include "modes.h"
#include "result.h"
#include "sockets.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace {

constexpr unsigned kBatch = 64;
constexpr size_t kMaxDatagram = 65536;
constexpr size_t kControl = 128;

class Receiver {
 public:
  Receiver(const Options& options, int fd)
      : options_(options), fd_(fd), memory_(kBatch * kMaxDatagram) {
    // Every sender sends the same bytes: byte i is i * 7 + 3.
    for (size_t i = 0; i < options.size; i++) expected_.push_back(static_cast<uint8_t>(i * 7 + 3));
  }

  void Run() {
    // The clock begins with the first datagram: the sender has to start.
    pollfd first = {fd_, POLLIN, 0};
    if (poll(&first, 1, 15000) <= 0) Fail("no datagram came");
    measurement_.emplace(options_);
    while (measurement_->Running(Now())) {
      pollfd wait = {fd_, POLLIN, 0};
      if (poll(&wait, 1, 100) < 0 && errno != EINTR) FailErrno("poll");
      if (wait.revents != 0) ReceiveBatch();
    }
    measurement_->Print("receive");
  }

 private:
  void ReceiveBatch() {
    mmsghdr messages[kBatch] = {};
    iovec parts[kBatch];
    alignas(cmsghdr) char control[kBatch][kControl];
    for (unsigned i = 0; i < kBatch; i++) {
      parts[i] = {memory_.data() + i * kMaxDatagram, kMaxDatagram};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_control = control[i];
      messages[i].msg_hdr.msg_controllen = kControl;
    }
    const int count = recvmmsg(fd_, messages, kBatch, MSG_DONTWAIT, nullptr);
    if (count < 0) {
      if (errno == EAGAIN || errno == EINTR) return;
      FailErrno("recvmmsg");
    }
    for (unsigned i = 0; i < static_cast<unsigned>(count); i++)
      Check(&messages[i], memory_.data() + i * kMaxDatagram);
  }

  void Check(mmsghdr* message, const uint8_t* data) {
    size_t segment = message->msg_len;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message->msg_hdr); c != nullptr;
         c = CMSG_NXTHDR(&message->msg_hdr, c)) {
      if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
        int size;
        memcpy(&size, CMSG_DATA(c), sizeof size);
        segment = static_cast<size_t>(size);
      }
      if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) CountOverflow(CMSG_DATA(c));
    }
    for (size_t offset = 0; offset < message->msg_len; offset += segment) {
      if (segment != options_.size || memcmp(data + offset, expected_.data(), segment) != 0) {
        Fail("a datagram of %zu bytes that was not to be sent", segment);
      }
      measurement_->CountWithoutLatency(1);
      measurement_->CountBytes(segment);
    }
  }

  // The kernel's count of the datagrams that this socket has dropped since it was made.
  void CountOverflow(const uint8_t* data) {
    uint32_t dropped;
    memcpy(&dropped, data, sizeof dropped);
    measurement_->CountLost(dropped - dropped_);
    dropped_ = dropped;
  }

  const Options& options_;
  int fd_;
  std::optional<Measurement> measurement_;
  std::vector<uint8_t> memory_;
  std::vector<uint8_t> expected_;
  uint32_t dropped_ = 0;
};

}  // namespace

void ReceiveDatagrams(const Options& options) {
  std::string reachable;
  const int fd = BindDatagram(options, &reachable);
  const int on = 1;
  if (options.is_inet && setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on) < 0)
    FailErrno("setsockopt");
  if (options.gro && setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on) < 0) FailErrno("setsockopt");
  printf("{\"address\":\"%s\"}\n", reachable.c_str());
  fflush(stdout);
  Receiver(options, fd).Run();
}

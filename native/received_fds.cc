#include "received_fds.h"

#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "memory.h"
#include "result.h"

namespace sockscope {

ReceivedFds::~ReceivedFds() {
  for (size_t fd = 0; fd < capacity_; fd++) Forget(static_cast<int>(fd));
  free(entries_);
}

bool ReceivedFds::Add(int fd) {
  Forget(fd);
  Entry* entry = GrowTo(fd, &entries_, &capacity_) ? Create<Entry>() : nullptr;
  if (entry == nullptr) {
    close(fd);
    return false;
  }
  last_token_ = last_token_ == INT32_MAX ? 1 : last_token_ + 1;
  entry->token = last_token_;
  entry->identity = marks_.Identify(fd);
  entries_[fd] = entry;
  count_++;
  return true;
}

void ReceivedFds::Forget(int fd) {
  Entry* entry = Find(fd);
  if (entry == nullptr) return;
  entries_[fd] = nullptr;
  count_--;
  marks_.Forget(fd, entry->identity);
  Destroy(entry);
}

int32_t ReceivedFds::TokenOf(int fd) const {
  const Entry* entry = Find(fd);
  return entry == nullptr ? 0 : entry->token;
}

int32_t ReceivedFds::Close(int fd, int32_t token) {
  const Entry* entry = Find(fd);
  if (entry == nullptr || entry->token != token) return UV_ENOENT;
  const bool is_other = marks_.Compare(fd, entry->identity) == Sameness::kOther;
  Forget(fd);
  if (is_other) return UV_EBADF;
  return CloseOnce(fd);
}

void ReceivedFds::CloseAll() {
  for (size_t fd = 0; fd < capacity_ && count_ > 0; fd++) {
    const int number = static_cast<int>(fd);
    if (entries_[fd] == nullptr) continue;
    // In doubt an fd stays open: another part of the process may use it.
    const bool is_same = marks_.Compare(number, entries_[fd]->identity) == Sameness::kSame;
    Forget(number);
    if (is_same) close(number);
  }
}

}  // namespace sockscope

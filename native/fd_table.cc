#include "fd_table.h"

#include <stdlib.h>
#include <string.h>

namespace sockscope {

FdTable::~FdTable() { free(marks_); }

bool FdTable::Reserve(int fd) {
  const size_t index = static_cast<size_t>(fd);
  if (index < capacity_) return true;
  size_t capacity = capacity_ == 0 ? 64 : capacity_;
  while (capacity <= index) capacity *= 2;
  void* grown = realloc(marks_, capacity);
  if (grown == nullptr) return false;
  marks_ = static_cast<uint8_t*>(grown);
  memset(marks_ + capacity_, 0, capacity - capacity_);
  capacity_ = capacity;
  return true;
}

void FdTable::SetOwned(int fd) {
  if (!Owns(fd)) owned_count_++;
  marks_[fd] |= kOwned;
}

void FdTable::SetReleased(int fd) {
  if (!Owns(fd)) return;
  owned_count_--;
  marks_[fd] &= kWatched;
}

void FdTable::SetWatched(int fd, bool watched) {
  marks_[fd] = static_cast<uint8_t>(watched ? marks_[fd] | kWatched : marks_[fd] & ~kWatched);
}

void FdTable::Clear() {
  free(marks_);
  marks_ = nullptr;
  capacity_ = 0;
  owned_count_ = 0;
}

int FdTable::NextOwned(int from) const {
  for (size_t fd = static_cast<size_t>(from); fd < capacity_; fd++) {
    if (Owns(static_cast<int>(fd))) return static_cast<int>(fd);
  }
  return -1;
}

}  // namespace sockscope

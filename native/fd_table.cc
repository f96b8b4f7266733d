#include "fd_table.h"

#include <stdlib.h>

#include "memory.h"

namespace sockscope {

FdTable::~FdTable() { free(marks_); }

bool FdTable::Reserve(int fd) { return GrowTo(fd, &marks_, &capacity_); }

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

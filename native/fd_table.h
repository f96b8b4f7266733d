#ifndef SOCKSCOPE_FD_TABLE_H_
#define SOCKSCOPE_FD_TABLE_H_

#include <stddef.h>
#include <stdint.h>

namespace sockscope {

// What an environment knows about fds, by number: the fds that it owns (it made or
// adopted them, and has not closed or released them), and the fds that its reactor watches. Makes
// no system call. Not for use from several threads.
class FdTable {
 public:
  FdTable() = default;
  FdTable(const FdTable&) = delete;
  FdTable& operator=(const FdTable&) = delete;
  ~FdTable();

  // Makes room for the marks of an fd. False if memory is short: then call no setter.
  bool Reserve(int fd);

  bool Owns(int fd) const { return (Marks(fd) & kOwned) != 0; }
  bool IsWatched(int fd) const { return (Marks(fd) & kWatched) != 0; }
  void SetOwned(int fd);
  void SetReleased(int fd);
  void SetWatched(int fd, bool watched);

  // Forgets everything.
  void Clear();

  size_t owned_count() const { return owned_count_; }
  // The first owned fd from `from` on, or -1.
  int NextOwned(int from) const;

 private:
  static constexpr uint8_t kOwned = 1;
  static constexpr uint8_t kWatched = 2;

  uint8_t Marks(int fd) const {
    return fd >= 0 && static_cast<size_t>(fd) < capacity_ ? marks_[fd] : 0;
  }

  // One byte per fd number. Fd numbers are small and dense: a map would be larger and slower.
  uint8_t* marks_ = nullptr;
  size_t capacity_ = 0;
  size_t owned_count_ = 0;
};

}  // namespace sockscope

#endif  // SOCKSCOPE_FD_TABLE_H_

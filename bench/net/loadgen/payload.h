#ifndef SOCKSCOPE_BENCH_PAYLOAD_H_
#define SOCKSCOPE_BENCH_PAYLOAD_H_

#include <stddef.h>
#include <stdint.h>

#include <vector>

// The bytes that are sent, and have to come back. Each message is a stretch of one table of random
// bytes, beginning where its connection and its number say. So nothing is generated while the clock
// runs, an echo is checked by one memcmp, and an answer that belongs to another connection, or to
// another message, or that lost or doubled a byte, does not pass.
class Payload {
 public:
  // `lines` > 0: a message is that many lines of size / lines bytes, each ended by its only '\n'.
  Payload(size_t size, unsigned lines) : size_(size), unit_(lines == 0 ? 1 : size / lines) {
    table_.resize(size + kStarts * unit_);
    uint64_t state = 0x9e3779b97f4a7c15u;
    for (uint8_t& byte : table_) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      byte = static_cast<uint8_t>(state >> 24);
    }
    if (lines == 0) return;
    for (uint8_t& byte : table_) {
      if (byte == '\n') byte = ' ';
    }
    for (size_t i = unit_ - 1; i < table_.size(); i += unit_) table_[i] = '\n';
  }

  size_t size() const { return size_; }

  const uint8_t* Message(uint64_t connection, uint64_t number) const {
    const uint64_t mixed = (connection * 0x9e3779b97f4a7c15u + number) * 0xbf58476d1ce4e5b9u;
    return table_.data() + ((mixed >> 40) % kStarts) * unit_;
  }

 private:
  static constexpr size_t kStarts = 251;

  size_t size_;
  size_t unit_;
  std::vector<uint8_t> table_;
};

#endif  // SOCKSCOPE_BENCH_PAYLOAD_H_

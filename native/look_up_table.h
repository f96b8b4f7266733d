#ifndef SOCKSCOPE_LOOK_UP_TABLE_H_
#define SOCKSCOPE_LOOK_UP_TABLE_H_

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "look_up.h"

namespace sockscope {

// The look-ups of one environment from submission to delivery, by ticket. A ticket names a place of
// the table and a generation of that place, so a late ticket finds no other look-up.
class LookUpTable {
 public:
  ~LookUpTable() { free(places_); }

  // Returns a ticket above 0, or 0 if memory is short or every place is taken.
  int32_t Add(LookUp* look_up) {
    if (free_ == kNone && !Grow()) return 0;
    const size_t index = free_;
    Place& place = places_[index];
    free_ = place.next_free;
    place.look_up = look_up;
    look_up->ticket = static_cast<int32_t>(place.generation << kIndexBits | index);
    return look_up->ticket;
  }

  // Null if the ticket is of no look-up in the table.
  LookUp* Find(int32_t ticket) const {
    const size_t index = static_cast<size_t>(ticket) & kIndexMask;
    LookUp* look_up = ticket > 0 && index < capacity_ ? places_[index].look_up : nullptr;
    return look_up != nullptr && look_up->ticket == ticket ? look_up : nullptr;
  }

  void Remove(LookUp* look_up) {
    const size_t index = static_cast<size_t>(look_up->ticket) & kIndexMask;
    Place& place = places_[index];
    place.look_up = nullptr;
    // From 1 on: a ticket is never 0.
    place.generation = place.generation % kMaxGeneration + 1;
    place.next_free = free_;
    free_ = index;
  }

  // Calls `visit` with each look-up. It may remove that one.
  template <typename Visit>
  void ForEach(Visit visit) {
    for (size_t i = 0; i < capacity_; i++) {
      if (places_[i].look_up != nullptr) visit(places_[i].look_up);
    }
  }

 private:
  struct Place {
    LookUp* look_up;
    uint32_t generation;
    size_t next_free;
  };

  static constexpr size_t kNone = static_cast<size_t>(-1);
  // With 20 bits for the place and 11 for the generation, a ticket is a positive int32_t.
  static constexpr uint32_t kIndexBits = 20;
  static constexpr size_t kIndexMask = (1u << kIndexBits) - 1;
  static constexpr uint32_t kMaxGeneration = (1u << 11) - 1;

  bool Grow() {
    const size_t capacity = capacity_ == 0 ? 16 : 2 * capacity_;
    if (capacity > kIndexMask + 1) return false;
    void* memory = realloc(places_, capacity * sizeof(Place));
    if (memory == nullptr) return false;
    places_ = static_cast<Place*>(memory);
    for (size_t i = capacity; i-- > capacity_;) {
      places_[i] = Place{nullptr, 1, free_};
      free_ = i;
    }
    capacity_ = capacity;
    return true;
  }

  Place* places_ = nullptr;
  size_t capacity_ = 0;
  size_t free_ = kNone;
};

}  // namespace sockscope

#endif  // SOCKSCOPE_LOOK_UP_TABLE_H_

#ifndef SOCKSCOPE_BENCH_HISTOGRAM_H_
#define SOCKSCOPE_BENCH_HISTOGRAM_H_

#include <stdint.h>

#include <vector>

// Counts of durations in nanoseconds, in buckets of at most 1/64 of their value: constant memory,
// and no sorting at the end.
class Histogram {
 public:
  Histogram() : counts_(kBuckets) {}

  void Add(uint64_t value) {
    counts_[Index(value)]++;
    count_++;
    if (value > max_) max_ = value;
  }

  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }

  // The smallest value that at least `share` of all are not above, as the upper edge of its bucket.
  uint64_t Quantile(double share) const {
    const uint64_t wanted = static_cast<uint64_t>(share * static_cast<double>(count_));
    uint64_t seen = 0;
    for (unsigned i = 0; i < kBuckets; i++) {
      seen += counts_[i];
      if (seen > wanted) return UpperEdge(i) < max_ ? UpperEdge(i) : max_;
    }
    return max_;
  }

 private:
  static constexpr unsigned kBits = 6;
  static constexpr unsigned kSub = 1u << kBits;
  static constexpr unsigned kBuckets = (64 - kBits + 1) * kSub;

  // Values below 64 have a bucket each; above, each power of two is cut into 64.
  static unsigned Index(uint64_t value) {
    if (value < kSub) return static_cast<unsigned>(value);
    const unsigned exponent = 63u - static_cast<unsigned>(__builtin_clzll(value));
    const unsigned shift = exponent - kBits;
    return (shift + 1) * kSub + static_cast<unsigned>((value >> shift) & (kSub - 1));
  }

  static uint64_t UpperEdge(unsigned index) {
    if (index < kSub) return index;
    const unsigned shift = index / kSub - 1;
    return ((static_cast<uint64_t>(kSub + index % kSub) + 1) << shift) - 1;
  }

  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

#endif  // SOCKSCOPE_BENCH_HISTOGRAM_H_

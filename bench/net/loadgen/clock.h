#ifndef SOCKSCOPE_BENCH_CLOCK_H_
#define SOCKSCOPE_BENCH_CLOCK_H_

#include <stdint.h>
#include <time.h>

// Nanoseconds of CLOCK_MONOTONIC.
inline uint64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

inline uint64_t Nanoseconds(double seconds) { return static_cast<uint64_t>(seconds * 1e9); }

#endif  // SOCKSCOPE_BENCH_CLOCK_H_

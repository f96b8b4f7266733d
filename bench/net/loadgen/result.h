#ifndef SOCKSCOPE_BENCH_RESULT_H_
#define SOCKSCOPE_BENCH_RESULT_H_

#include <stdint.h>

#include "histogram.h"
#include "options.h"

// Ends the program: {"error": message} on stdout, status 1.
[[noreturn]] void Fail(const char* format, ...) __attribute__((format(printf, 1, 2)));
// The same, with the text of errno behind it.
[[noreturn]] void FailErrno(const char* what);

// CPU seconds and memory of the server's processes, and CPU seconds of the whole machine.
struct Usage {
  double user = 0;
  double system = 0;
  uint64_t rss = 0;
  double client = 0;
  double machine_busy = 0;
  double machine_steal = 0;
};

// CPU time is that of all threads of the processes, ended ones included, so that the helpers of a
// garbage collector count. Its unit is the clock tick (10 ms) of /proc/PID/stat; the kernel guesses
// the split between user and system from where its timer interrupts found the process.
Usage ReadUsage(const Options& options);

// One run: warm-up first, then the time that counts.
class Measurement {
 public:
  explicit Measurement(const Options& options);

  // Has to be called now and then, with the time. False when the run is over.
  bool Running(uint64_t now) {
    if (now < next_)
      return options_.requests == 0 || latency_.count() + unclocked_ < options_.requests ||
             !measuring_;
    return Advance(now);
  }
  bool measuring() const { return measuring_; }

  void Count(uint64_t nanoseconds) {
    if (measuring_) latency_.Add(nanoseconds);
  }
  void CountWithoutLatency(uint64_t requests) {
    if (measuring_) unclocked_ += requests;
  }
  void CountBytes(uint64_t bytes) {
    if (measuring_) bytes_ += bytes;
  }
  void CountLost(uint64_t messages) {
    if (measuring_) lost_ += messages;
  }
  void CountBlocked() {
    if (measuring_) blocked_++;
  }

  // For modes that start and stop the clock themselves.
  void Begin();
  void End();
  // The result of mode `idle` is the server's memory at `Begin` and at `End`.
  void Print(const char* mode);

 private:
  bool Advance(uint64_t now);

  const Options& options_;
  uint64_t next_;
  bool measuring_ = false;
  bool ended_ = false;
  uint64_t begin_time_ = 0;
  uint64_t end_time_ = 0;
  Usage begin_;
  Usage end_;
  Histogram latency_;
  uint64_t unclocked_ = 0;
  uint64_t bytes_ = 0;
  uint64_t lost_ = 0;
  uint64_t blocked_ = 0;
};

#endif  // SOCKSCOPE_BENCH_RESULT_H_

#include "result.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>

#include "clock.h"

namespace {

std::string ReadFile(const std::string& path) {
  std::string text;
  FILE* file = fopen(path.c_str(), "r");
  if (file == nullptr) return text;
  char chunk[4096];
  size_t count;
  while ((count = fread(chunk, 1, sizeof chunk, file)) > 0) text.append(chunk, count);
  fclose(file);
  return text;
}

double Ticks(uint64_t ticks) {
  return static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

void AddProcess(pid_t pid, Usage* usage) {
  const std::string folder = "/proc/" + std::to_string(pid);
  const std::string stat = ReadFile(folder + "/stat");
  // The name, in parentheses, may hold anything; fields are counted from behind it (proc(5): utime
  // is 14, stime 15, rss 24).
  const size_t name_end = stat.rfind(')');
  uint64_t user, system;
  if (name_end == std::string::npos ||
      sscanf(stat.c_str() + name_end + 1,
             " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &user,
             &system) != 2) {
    Fail("the server (process %d) has gone", static_cast<int>(pid));
  }
  usage->user += Ticks(user);
  usage->system += Ticks(system);
  const std::string status = ReadFile(folder + "/status");
  const char* rss = strstr(status.c_str(), "VmRSS:");
  if (rss != nullptr) usage->rss += strtoull(rss + 6, nullptr, 10) * 1024;
}

void AddMachine(Usage* usage) {
  const std::string stat = ReadFile("/proc/stat");
  uint64_t user, nice, system, idle, iowait, irq, softirq, steal;
  if (sscanf(stat.c_str(),
             "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
             " %" SCNu64,
             &user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal) != 8) {
    return;
  }
  usage->machine_busy = Ticks(user + nice + system + irq + softirq);
  usage->machine_steal = Ticks(steal);
}

double OwnSeconds() {
  rusage own;
  getrusage(RUSAGE_SELF, &own);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(own.ru_utime) + seconds(own.ru_stime);
}

double Microseconds(uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1000; }

}  // namespace

void Fail(const char* format, ...) {
  char message[4096];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  std::string escaped;
  for (const char* c = message; *c != '\0'; c++) {
    if (*c == '"' || *c == '\\') escaped += '\\';
    if (*c == '\n') {
      escaped += "\\n";
    } else if (static_cast<unsigned char>(*c) >= ' ') {
      escaped += *c;
    }
  }
  printf("{\"error\":\"%s\"}\n", escaped.c_str());
  exit(1);
}

void FailErrno(const char* what) { Fail("%s: %s", what, strerror(errno)); }

Usage ReadUsage(const Options& options) {
  Usage usage;
  for (const pid_t pid : options.servers) AddProcess(pid, &usage);
  AddMachine(&usage);
  usage.client = OwnSeconds();
  return usage;
}

Measurement::Measurement(const Options& options)
    : options_(options), next_(Now() + Nanoseconds(options.warmup)) {}

bool Measurement::Advance(uint64_t now) {
  if (ended_) return false;
  if (!measuring_) {
    Begin();
    next_ = now + Nanoseconds(options_.seconds);
    return true;
  }
  End();
  return false;
}

void Measurement::Begin() {
  begin_ = ReadUsage(options_);
  begin_time_ = Now();
  measuring_ = true;
}

void Measurement::End() {
  end_time_ = Now();
  end_ = ReadUsage(options_);
  measuring_ = false;
  ended_ = true;
}

void Measurement::Print(const char* mode) {
  if (!ended_) End();
  const uint64_t requests = latency_.count() + unclocked_;
  const double seconds = static_cast<double>(end_time_ - begin_time_) / 1e9;
  printf("{\"mode\":\"%s\",\"requests\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"lost\":%" PRIu64
         ",\"blocked\":%" PRIu64 ",\"seconds\":%.6f",
         mode, requests, bytes_, lost_, blocked_, seconds);
  if (latency_.count() > 0) {
    printf(",\"latency\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f}",
           Microseconds(latency_.Quantile(0.5)), Microseconds(latency_.Quantile(0.99)),
           Microseconds(latency_.max()));
  }
  printf(",\"server\":{\"user\":%.3f,\"system\":%.3f,\"rssBefore\":%" PRIu64 ",\"rss\":%" PRIu64
         "}",
         end_.user - begin_.user, end_.system - begin_.system, begin_.rss, end_.rss);
  printf(",\"client\":%.3f,\"machine\":{\"busy\":%.3f,\"steal\":%.3f}}\n",
         end_.client - begin_.client, end_.machine_busy - begin_.machine_busy,
         end_.machine_steal - begin_.machine_steal);
}

#ifndef SOCKSCOPE_BENCH_OPTIONS_H_
#define SOCKSCOPE_BENCH_OPTIONS_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <string>
#include <vector>

struct Options {
  std::string mode;
  // Where the server is: tcp:HOST:PORT, udp:HOST:PORT, unix:PATH, unix-dgram:PATH. In mode
  // `receive`, where to listen.
  bool is_inet = false;
  bool is_stream = false;
  std::string host;
  uint16_t port = 0;
  std::string path;
  int connections = 1;
  size_t size = 1000;
  int window = 1;
  unsigned lines = 0;
  double warmup = 0.2;
  double seconds = 1;
  // So many requests end the run before its time; 0 is no limit.
  uint64_t requests = 0;
  bool gro = false;
  // The processes of the server, whose CPU time is read.
  std::vector<pid_t> servers;
};

Options ParseOptions(int argc, char** argv);

#endif  // SOCKSCOPE_BENCH_OPTIONS_H_

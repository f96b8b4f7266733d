// The load generator of the network benchmarks: one thread over epoll, compiled on demand. Its own
// CPU time is in the result: so a run in which the load generator was the bottleneck can be
// recognised.
#include <signal.h>
#include <unistd.h>

#include "modes.h"
#include "options.h"
#include "result.h"
#include "sockets.h"

namespace {

// A server that hangs ends the run instead of holding it up.
void OnAlarm(int) {
  constexpr char kText[] = "{\"error\":\"the server did not answer in time\"}\n";
  if (write(STDOUT_FILENO, kText, sizeof kText - 1) < 0) _exit(2);
  _exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = ParseOptions(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGALRM, OnAlarm);
  // Opening many connections takes its own time.
  alarm(static_cast<unsigned>(options.warmup + options.seconds + options.connections / 500) + 20);
  RaiseFileLimit(options.connections);
  if (options.mode == "echo") {
    options.is_stream ? EchoStream(options) : EchoDatagrams(options);
  } else if (options.mode == "send") {
    options.is_stream ? SendStream(options) : SendDatagrams(options);
  } else if (options.mode == "receive" && !options.is_stream) {
    ReceiveDatagrams(options);
  } else if (options.mode == "connect" && options.is_stream) {
    OpenExchangeClose(options);
  } else if (options.mode == "idle" && options.is_stream) {
    HoldIdle(options);
  } else {
    Fail("no mode \"%s\" for this address", options.mode.c_str());
  }
  return 0;
}

#ifndef SOCKSCOPE_BENCH_MODES_H_
#define SOCKSCOPE_BENCH_MODES_H_

#include "options.h"

// Each function runs its mode to the end, and prints the result.
void EchoStream(const Options& options);
void EchoDatagrams(const Options& options);
void SendStream(const Options& options);
void SendDatagrams(const Options& options);
void ReceiveDatagrams(const Options& options);
void OpenExchangeClose(const Options& options);
void HoldIdle(const Options& options);

#endif  // SOCKSCOPE_BENCH_MODES_H_

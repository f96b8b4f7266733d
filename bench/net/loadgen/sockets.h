#ifndef SOCKSCOPE_BENCH_SOCKETS_H_
#define SOCKSCOPE_BENCH_SOCKETS_H_

#include <sys/socket.h>

#include <string>

#include "options.h"

// The server's address as a sockaddr.
struct Address {
  sockaddr_storage storage = {};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address ServerAddress(const Options& options);

// Raises the limit of open files as far as this user may. Fails if it is too low for so many
// connections.
void RaiseFileLimit(int connections);

// A connected stream socket, non-blocking from then on. Connection `index` of TCP over loopback
// comes from one of many addresses of 127.0.0.0/8, so that ports do not run out.
int ConnectStream(const Options& options, int index);
// The same without waiting for the connection.
int BeginConnectStream(const Options& options, int index);

// A datagram socket connected to the server. A Unix one is bound to a name of its own, so that the
// server can answer.
int ConnectDatagram(const Options& options, int index, bool non_blocking);
// A bound datagram socket; `reachable` gets the address for the sender. A Unix socket's file is
// removed first.
int BindDatagram(const Options& options, std::string* reachable);

#endif  // SOCKSCOPE_BENCH_SOCKETS_H_

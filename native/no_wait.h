#ifndef SOCKSCOPE_NO_WAIT_H_
#define SOCKSCOPE_NO_WAIT_H_

#include <stdint.h>
#include <sys/socket.h>

// O_NONBLOCK and the options of a socket belong to the open file description (fcntl(2)), which a
// socket may share with other processes: fds come and go by SCM_RIGHTS and by inheritance. Each of
// these processes can clear the flag at any time. (A child that gets a socket as its standard input
// does so by mere custom.) A call that trusts the flag would then block the event loop.
//
// recv(2), send(2) and their kin take MSG_DONTWAIT in each call. The calls below have no such flag.
// They ask first and set the flag anew, so they wait only if another process clears the flag, or
// takes the connection away, between two system calls of this file.

namespace sockscope {

// The fd, which is non-blocking and close-on-exec, or a negative code. EAGAIN if none waits.
int32_t AcceptNoWait(int fd);
// 0, or a negative code. EINPROGRESS if the connection attempt goes on.
int32_t ConnectNoWait(int fd, const sockaddr* address, socklen_t length);
// close(2) of a stream waits for its unsent data if SO_LINGER says so, whatever O_NONBLOCK says
// (socket(7)). This function leaves the data to the kernel, which sends them after the close. A
// linger time of 0, which resets the connection, stays. 0, or a negative code; the fd is closed in
// either case.
int32_t CloseNoWait(int fd);

}  // namespace sockscope

#endif  // SOCKSCOPE_NO_WAIT_H_

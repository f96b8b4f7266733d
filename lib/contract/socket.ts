import type { InetAddress, RawAddress, SocketAddress, UnixPath } from './addresses';
import type { AncillaryData } from './ancillary';
import type { Bytes } from './bytes';

/** What `recvmsg` received. */
export interface ReceivedMessage {
  readonly bytes: number;
  /** msg_flags: MSG_TRUNC, MSG_CTRUNC, MSG_EOR, … */
  readonly flags: number;
  /** The sender. '' is a Unix socket without a name; null on a connected stream. */
  readonly address: InetAddress | UnixPath | RawAddress | null;
  readonly ancillary: AncillaryData;
}

/** What `sendmsg` sends along with the bytes. */
export interface SendMessageOptions {
  readonly address?: SocketAddress;
  readonly ancillary?: AncillaryData;
  readonly flags?: number;
}

/**
 * A socket fd and its system calls: non-blocking, one call each, no policy. A call that would block
 * returns null. Made by `Socket.create`, `Socket.fromFd` and `Socket.pair`.
 *
 * **Ownership.** A Socket owns its fd. `close()`, `using` or (with a process warning) garbage
 * collection closes it; `detach()` gives it up. No other code may close the fd: tasks that wait on
 * it would never learn of that, and the kernel may assign the number again at any moment. When the
 * Socket's thread meets the number again as that of a new socket, the old Socket counts as closed.
 * Buffers are used during a call and never kept.
 *
 * **Errors.** Every method throws ClosedResourceError (`ERR_CLOSED_RESOURCE`) after `close()` or
 * `detach()`; TypeError or RangeError for wrong arguments, before any system call; otherwise the
 * system's error with `code`, `errno` (negative), `syscall`, and `address` and `port` or `path`
 * where one is involved. EINTR never appears: calls are repeated.
 */
export interface Socket extends Disposable {
  /** -1 once closed or detached. */
  readonly fd: number;
  /** AF_INET, AF_UNIX, …, as `constants` numbers them. */
  readonly family: number;
  /** SOCK_STREAM, SOCK_DGRAM, … */
  readonly type: number;
  /** IPPROTO_TCP, …; 0 if the kernel chose it. */
  readonly protocol: number;
  /**
   * bind(2).
   * @throws EADDRINUSE (for a stale Unix socket file, too), EADDRNOTAVAIL, EACCES, ENAMETOOLONG,
   *   ENOENT
   */
  bind(address: SocketAddress): void;
  /**
   * listen(2).
   * @param backlog connections that may wait to be accepted (default 511); the kernel has a limit
   *   of its own (net.core.somaxconn)
   */
  listen(backlog?: number): void;
  /**
   * connect(2). True if connected; false if the connection is under way: await `writable()`, then
   * read SO_ERROR.
   * @throws ECONNREFUSED, ENOENT, ENETUNREACH, EISCONN; EAGAIN for a Unix socket whose listener's
   *   backlog is full
   */
  connect(address: SocketAddress): boolean;
  /**
   * accept4(2): a connection, or null if none waits.
   * @throws EMFILE, ENFILE, ECONNABORTED, EINVAL (not listening)
   */
  accept(): Socket | null;
  /**
   * recv(2) into `buffer`: the number of bytes. 0 is the end of a stream, an empty datagram or an
   * empty buffer. A datagram that does not fit is cut: use `recvmsg`, which reports it. With the
   * flag MSG_TRUNC, Linux returns the datagram's real length, which can exceed that of `buffer`.
   */
  recv(buffer: Bytes, flags?: number): number | null;
  /**
   * send(2): the number of bytes taken, which on a stream may be fewer than given. 0 for an empty
   * buffer, which a datagram socket sends as an empty datagram.
   * @throws EPIPE (without SIGPIPE), ECONNRESET, ENOTCONN, EMSGSIZE
   */
  send(buffer: Bytes, flags?: number): number | null;
  /**
   * recvmsg(2): scatters one message into `buffers`, in order. `flags` of the result has MSG_TRUNC
   * if a datagram was cut, and MSG_CTRUNC if control messages were.
   *
   * @param ancillaryBufsize bytes for control messages, from `ancillaryBufferSize(fds)`. The kernel
   *   closes fds that do not fit.
   */
  recvmsg(
    buffers: readonly Bytes[],
    ancillaryBufsize?: number,
    flags?: number,
  ): ReceivedMessage | null;
  /**
   * sendmsg(2): gathers `buffers` into one message without concatenation. Returns the number of
   * bytes taken. On a stream, the kernel may take a part, as it does of more than IOV_MAX buffers;
   * a datagram socket sends all or throws.
   *
   * @example
   * const [left, right] = Socket.pair();
   * left.sendmsg([Buffer.from('head'), Buffer.from('body')], { ancillary: { fds: [0] } });
   * const data = Buffer.alloc(100);
   * const { bytes, ancillary } = right.recvmsg([data], ancillaryBufferSize(1));
   * console.log(data.toString('latin1', 0, bytes), ancillary.fds.length); // → headbody 1
   * closeReceivedFds(ancillary);
   * left.close();
   * right.close();
   */
  sendmsg(buffers: readonly Bytes[], options?: SendMessageOptions): number | null;
  /**
   * getsockopt(2): the option as a C int; with `length`, the option's bytes, as many as the kernel
   * wrote. `length` is in bytes for every option, also for SO_GET_FILTER, where the kernel counts
   * instructions. An option that reads its buffer first finds zeroes there, so that it cannot be
   * told where to write.
   * @throws ENOPROTOOPT; EINVAL for SO_GET_FILTER without a `length` that the filter fits into
   */
  getsockopt(level: number, option: number): number;
  getsockopt(level: number, option: number, length: number): Uint8Array;
  /**
   * setsockopt(2). A number is a C int, signed or unsigned: -1 and 0xffffffff are the same bits.
   * @throws ENOPROTOOPT, EINVAL, EPERM; ENOTSUP for an option whose value holds addresses that the
   *   kernel would write to (the tables of iptables, the memory of XDP)
   */
  setsockopt(level: number, option: number, value: number | boolean | Bytes): void;
  /** getsockname(2); '' for an unnamed Unix socket. */
  localAddress(): SocketAddress;
  /** getpeername(2); '' if the peer is an unnamed Unix socket. @throws ENOTCONN */
  remoteAddress(): SocketAddress;
  /** shutdown(2). @throws ENOTCONN; TypeError for any other word */
  shutdown(how: 'read' | 'write' | 'both'): void;
  /**
   * fcntl(2) F_DUPFD_CLOEXEC: a second fd for the same socket. Both fds see the same data: receive
   * through one of them.
   */
  dup(): Socket;
  /**
   * Gives up the fd without closing it, and returns it. Tasks that wait on this socket get
   * ClosedResourceError. The fd stays non-blocking and close-on-exec.
   */
  detach(): number;
  /**
   * close(2). Tasks that wait on this socket get ClosedResourceError. Idempotent. Closing the
   * socket of a transport closes the transport.
   * @throws the error of close(2); the fd is closed all the same
   */
  close(): void;
  /**
   * A checkpoint: waits until a receive (or accept) would not block. It resolves at the end of the
   * stream and on an error, too: the call that follows reports them. Cancellation leaves the socket
   * as it was. Waiting keeps the process alive. Rejects with BusyResourceError if another task
   * waits in this direction, with ClosedResourceError if the socket is or gets closed.
   */
  readable(): Promise<void>;
  /**
   * A checkpoint: waits until a send would not block, or a `connect()` under way has ended, with or
   * without success. Otherwise as `readable()`.
   */
  writable(): Promise<void>;
}

/** The functions that make sockets. `value instanceof Socket` tells whether a value is one. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type -- `instanceof` asks for one
export interface SocketConstructor extends Function {
  readonly prototype: Socket;
  /**
   * socket(2). Numbers are those of `constants`.
   * @throws EAFNOSUPPORT, EPROTONOSUPPORT, EPERM (raw sockets), EMFILE
   */
  create(family: number, type: number, protocol?: number): Socket;
  /**
   * Takes ownership of an open fd and makes it non-blocking and close-on-exec. Family, type and
   * protocol are read from it.
   * @throws TypeError or RangeError if `fd` is not an fd; EBADF; ENOTSOCK; BusyResourceError
   *   (`ERR_BUSY_RESOURCE`) if another Socket, transport or listener of this thread owns the fd:
   *   `dup()` it, or `detach()` it there
   */
  fromFd(fd: number): Socket;
  /** socketpair(2): two connected sockets, by default Unix stream sockets. */
  pair(family?: number, type?: number): [Socket, Socket];
}

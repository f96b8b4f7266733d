import { inspect } from 'node:util';
import { nativeBinding } from '../binding';
import { BusyResourceError, ClosedResourceError, systemError } from '../errors';
import { checkBytes, checkBytesList } from '../arguments/buffers';
import type { Bytes } from '../contract/bytes';
import { currentScope } from '../waiting/context';
import { EAGAIN, EEXIST, EINPROGRESS } from '../errno';
import { cancelled, isCancelled } from '../waiting/operation';
import { checkInteger, invalidArgument } from '../arguments/validate';
import {
  decodeAddress,
  encodeAddress,
  errorTarget,
  type InetAddress,
  type SocketAddress,
  type UnixPath,
} from './address';
import type { AncillaryData } from './ancillary';
import { Descriptor, socketKind } from './descriptor';
import { closeWhenCollected, forgetCollected } from './leaks';
import {
  type ReceivedMessage,
  receiveMessage,
  type SendMessageOptions,
  sendMessage,
} from './message';
import { Readiness } from './readiness';

const MAX_INT = 0x7fffffff;
const MIN_INT = -0x80000000;
const MAX_UNSIGNED = 0xffffffff;
/**
 * Linux lets flags (SOCK_NONBLOCK, SOCK_CLOEXEC) travel in the type; the type itself is in these
 * bits (socket(2)).
 */
const TYPE_MASK = 0xf;
const SHUTDOWN = { read: 0, write: 1, both: 2 } as const;

/**
 * A socket fd and its system calls: non-blocking, one call each, no policy. A call that would block
 * returns null.
 *
 * **Ownership.** A Socket owns its fd: `close()`, `using`, or (with a process warning) garbage
 * collection closes it; `detach()` gives it up. Nothing else may close it: whoever waits on it
 * would not be told, and the number may be another's a moment later. When the Socket's own thread
 * meets the number again, as that of a new socket, the old one is treated as closed. Buffers are
 * used during a call and never kept.
 *
 * **Errors.** Every method throws ClosedResourceError (`ERR_CLOSED_RESOURCE`) after `close()` or
 * `detach()`, TypeError or RangeError for wrong arguments, before any system call, and otherwise
 * the system's error: `code`, `errno` (negative), `syscall`, and `address`/`port` or `path` where
 * one is involved. EINTR is never seen: calls are repeated.
 */
export class Socket implements Disposable {
  /** @internal */
  readonly descriptor: Descriptor;

  private constructor(descriptor: Descriptor) {
    this.descriptor = descriptor;
    closeWhenCollected(this, descriptor, 'A Socket');
  }

  /**
   * socket(2). Numbers are those of `constants`. @throws EAFNOSUPPORT, EPROTONOSUPPORT, EPERM (raw
   * sockets), EMFILE.
   */
  static create(family: number, type: number, protocol = 0): Socket {
    checkInteger('family', family, 0, MAX_INT);
    checkInteger('type', type, 0, MAX_INT);
    checkInteger('protocol', protocol, 0, MAX_INT);
    const fd = nativeBinding().socket(family, type, protocol);
    if (fd < 0) throw systemError(fd, 'socket');
    return new Socket(new Descriptor(fd, socketKind(family, type & TYPE_MASK, protocol)));
  }

  /**
   * Takes ownership of an open fd, and makes it non-blocking and close-on-exec; family, type and
   * protocol are read from it.
   * @throws TypeError, RangeError for what is no fd; EBADF; ENOTSOCK; BusyResourceError
   *   (`ERR_BUSY_RESOURCE`) if another Socket, transport or listener of this thread owns the fd:
   *   `dup()` it, or `detach()` it there.
   */
  static fromFd(fd: number): Socket {
    checkInteger('fd', fd, 0, MAX_INT);
    return new Socket(adoptDescriptor(fd));
  }

  /** socketpair(2): two connected sockets; without arguments, Unix stream sockets. */
  static pair(
    family: number = nativeBinding().constants['AF_UNIX'] as number,
    type: number = nativeBinding().constants['SOCK_STREAM'] as number,
  ): [Socket, Socket] {
    checkInteger('family', family, 0, MAX_INT);
    checkInteger('type', type, 0, MAX_INT);
    const fds = new Int32Array(2);
    const status = nativeBinding().socketpair(family, type, 0, fds);
    if (status < 0) throw systemError(status, 'socketpair');
    const [first, second] = fds as unknown as [number, number];
    const kind = socketKind(family, type & TYPE_MASK, 0);
    return [new Socket(new Descriptor(first, kind)), new Socket(new Descriptor(second, kind))];
  }

  /** A face for a descriptor that something else made. @internal */
  static fromDescriptor(descriptor: Descriptor): Socket {
    return new Socket(descriptor);
  }

  /** -1 once closed or detached. */
  get fd(): number {
    return this.descriptor.fd;
  }

  /** AF_INET, AF_UNIX, …: as `constants` numbers them. */
  get family(): number {
    return this.descriptor.kind.family;
  }

  /** SOCK_STREAM, SOCK_DGRAM, … */
  get type(): number {
    return this.descriptor.kind.type;
  }

  /** IPPROTO_TCP, …; 0 where it was left to the kernel. */
  get protocol(): number {
    return this.descriptor.kind.protocol;
  }

  /**
   * bind(2). @throws EADDRINUSE (also for a stale Unix socket file), EADDRNOTAVAIL, EACCES,
   * ENAMETOOLONG, ENOENT.
   */
  bind(address: SocketAddress): void {
    const { bytes, length } = encodeAddress(address, 'bind');
    const status = nativeBinding().bind(this.#openFd(), bytes, length);
    if (status < 0) throw systemError(status, 'bind', errorTarget(address));
  }

  /**
   * listen(2). @param backlog connections that may wait to be accepted; the kernel has its own
   * limit (net.core.somaxconn).
   */
  listen(backlog = 511): void {
    checkInteger('backlog', backlog, 0, MAX_INT);
    const status = nativeBinding().listen(this.#openFd(), backlog);
    if (status < 0) throw systemError(status, 'listen');
  }

  /**
   * connect(2). True if connected; false if it is under way: await `writable()`, then read
   * SO_ERROR.
   * @throws ECONNREFUSED, ENOENT, ENETUNREACH, EISCONN; EAGAIN for a Unix socket whose listener's
   *   backlog is full.
   */
  connect(address: SocketAddress): boolean {
    const { bytes, length } = encodeAddress(address, 'connect');
    const status = nativeBinding().connect(this.#openFd(), bytes, length);
    if (status === EINPROGRESS) return false;
    if (status < 0) throw systemError(status, 'connect', errorTarget(address));
    return true;
  }

  /**
   * accept4(2): a connection, or null if none waits. @throws EMFILE, ENFILE, ECONNABORTED, EINVAL
   * (not listening).
   */
  accept(): Socket | null {
    const { descriptor } = this;
    const fd = nativeBinding().accept(this.#openFd());
    if (fd >= 0) return new Socket(new Descriptor(fd, descriptor.kind));
    if (fd === EAGAIN) return null;
    throw systemError(fd, 'accept');
  }

  /**
   * recv(2) into `buffer`. The number of bytes: 0 is the end of a stream, an empty datagram, or an
   * empty buffer. A datagram that does not fit is cut (use `recvmsg`, which tells; with the flag
   * MSG_TRUNC, Linux returns its real length, which is more than there is in `buffer`).
   */
  recv(buffer: Bytes, flags = 0): number | null {
    checkBytes('buffer', buffer);
    checkFlags(flags);
    return countOrNull(nativeBinding().recv(this.#openFd(), buffer, flags), 'recv');
  }

  /**
   * send(2). The number of bytes taken, which on a stream may be fewer than given; 0 for an empty
   * buffer, which a datagram socket sends as an empty datagram. @throws EPIPE (no SIGPIPE is
   * raised), ECONNRESET, ENOTCONN, EMSGSIZE.
   */
  send(buffer: Bytes, flags = 0): number | null {
    checkBytes('buffer', buffer);
    checkFlags(flags);
    return countOrNull(nativeBinding().send(this.#openFd(), buffer, 0, flags), 'send');
  }

  /**
   * recvmsg(2): scatters a message into `buffers`, in order. `flags` of the result tells of
   * MSG_TRUNC (a datagram was cut) and MSG_CTRUNC; `address` is the sender (null on a connected
   * stream, '' for an unnamed Unix sender).
   *
   * @param ancillaryBufsize bytes for control messages: `ancillaryBufferSize(fds)`. Fds that find
   *   no room are closed by the kernel.
   */
  recvmsg(buffers: readonly Bytes[], ancillaryBufsize = 0, flags = 0): ReceivedMessage | null {
    checkBytesList('buffers', buffers);
    checkInteger('ancillaryBufsize', ancillaryBufsize, 0, MAX_INT);
    checkFlags(flags);
    this.#openFd();
    return receiveMessage(this.descriptor, buffers, ancillaryBufsize, flags);
  }

  /**
   * sendmsg(2): gathers `buffers` into one message, without concatenation. The number of bytes
   * taken. On a stream more than IOV_MAX buffers (or more bytes than the kernel takes) are sent in
   * part; on a datagram socket it is all or an error.
   */
  sendmsg(buffers: readonly Bytes[], options: SendMessageOptions = {}): number | null {
    checkBytesList('buffers', buffers);
    if (typeof options !== 'object' || (options as unknown) === null)
      throw invalidArgument('options', 'an object', options);
    const { address, ancillary, flags = 0 } = options;
    checkFlags(flags);
    this.#openFd();
    return sendMessage(this.descriptor, buffers, address, ancillary, flags);
  }

  /**
   * getsockopt(2): an int option as a number; with `length`, the option's bytes (as many as the
   * kernel wrote). @throws ENOPROTOOPT.
   */
  getsockopt(level: number, option: number): number;
  getsockopt(level: number, option: number, length: number): Uint8Array;
  getsockopt(level: number, option: number, length?: number): number | Uint8Array {
    checkOption(level, option);
    if (length === undefined) {
      const result = new Int32Array(1);
      const status = nativeBinding().getsockoptInt(this.#openFd(), level, option, result);
      if (status < 0) throw systemError(status, 'getsockopt');
      return result[0] as number;
    }
    checkInteger('length', length, 0, 0xffff);
    const bytes = new Uint8Array(length);
    const size = nativeBinding().getsockoptBytes(this.#openFd(), level, option, bytes);
    if (size < 0) throw systemError(size, 'getsockopt');
    return bytes.subarray(0, size);
  }

  /**
   * setsockopt(2). A number is a C int (or an unsigned one: -1 and 0xffffffff are the same bits).
   * @throws ENOPROTOOPT, EINVAL, EPERM.
   */
  setsockopt(level: number, option: number, value: number | boolean | Bytes): void {
    checkOption(level, option);
    const native = nativeBinding();
    let status: number;
    if (typeof value === 'number' || typeof value === 'boolean') {
      const int = Number(value);
      checkInteger('value', int, MIN_INT, MAX_UNSIGNED);
      status = native.setsockoptInt(this.#openFd(), level, option, int | 0);
    } else {
      checkBytes('value', value);
      status = native.setsockoptBytes(this.#openFd(), level, option, value);
    }
    if (status < 0) throw systemError(status, 'setsockopt');
  }

  /** getsockname(2); '' for an unnamed Unix socket. */
  localAddress(): SocketAddressOf {
    return this.#name('getsockname');
  }

  /** getpeername(2); '' if the peer is an unnamed Unix socket. @throws ENOTCONN. */
  remoteAddress(): SocketAddressOf {
    return this.#name('getpeername');
  }

  /** shutdown(2). @throws ENOTCONN; TypeError for any other word. */
  shutdown(how: 'read' | 'write' | 'both'): void {
    if (!Object.hasOwn(SHUTDOWN, how))
      throw invalidArgument('how', "'read', 'write' or 'both'", how);
    const status = nativeBinding().shutdown(this.#openFd(), SHUTDOWN[how]);
    if (status < 0) throw systemError(status, 'shutdown');
  }

  /**
   * fcntl(2) F_DUPFD_CLOEXEC: a second socket for the same connection. Both see the same data: read
   * from one of them.
   */
  dup(): Socket {
    const { descriptor } = this;
    const fd = nativeBinding().dup(this.#openFd());
    if (fd < 0) throw systemError(fd, 'dup');
    return new Socket(new Descriptor(fd, descriptor.kind));
  }

  /**
   * Gives up the fd without closing it, and returns it; whoever waits on this socket gets
   * ClosedResourceError. The fd stays non-blocking and close-on-exec.
   */
  detach(): number {
    this.#openFd();
    forgetCollected(this.descriptor);
    return this.descriptor.detach();
  }

  /**
   * close(2). Whoever waits on this socket gets ClosedResourceError. Idempotent, and safe while a
   * transport has the socket: it is closed there too. @throws the error of close(2) (the fd is gone
   * all the same).
   */
  close(): void {
    forgetCollected(this.descriptor);
    const status = this.descriptor.close();
    if (status < 0) throw systemError(status, 'close');
  }

  /**
   * A checkpoint: resolves when a receive (or accept) would not block. At the end of the stream and
   * on an error it resolves too: the call tells. Cancellation leaves the socket as it was. Keeps
   * the process alive while it waits. Rejects with BusyResourceError if another task waits in this
   * direction, ClosedResourceError if it is or gets closed.
   */
  readable(): Promise<void> {
    return this.#ready('read');
  }

  /**
   * A checkpoint: resolves when a send would not block, and when a `connect()` under way has ended,
   * well or not. As `readable()` otherwise.
   */
  writable(): Promise<void> {
    return this.#ready('write');
  }

  /** `close()`, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** What `console.log` shows. @internal */
  [inspect.custom](): string {
    const { fd, family, type, protocol } = this;
    return `Socket { fd: ${String(fd)}, family: ${String(family)}, type: ${String(type)}, protocol: ${String(protocol)} }`;
  }

  #ready(direction: 'read' | 'write'): Promise<void> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    const { descriptor } = this;
    const refusal = descriptor.refusal(direction, direction === 'read' ? 'readable' : 'writable');
    if (refusal !== null) return Promise.reject(refusal);
    return new Readiness(descriptor, direction, this).enter(scope).start().promise;
  }

  #name(syscall: 'getsockname' | 'getpeername'): SocketAddressOf {
    const native = nativeBinding();
    const bytes = new Uint8Array(native.limits.sockaddrMax);
    const length = native[syscall](this.#openFd(), bytes);
    if (length < 0) throw systemError(length, syscall);
    return decodeAddress(bytes, length) ?? '';
  }

  #openFd(): number {
    const { fd } = this.descriptor;
    if (fd < 0) throw new ClosedResourceError('The socket is closed or detached');
    return fd;
  }
}

type SocketAddressOf = Exclude<ReturnType<typeof decodeAddress>, null>;

/** Takes ownership of an open fd. */
export function adoptDescriptor(fd: number): Descriptor {
  const info = new Int32Array(4);
  const status = nativeBinding().adopt(fd, info);
  if (status === EEXIST)
    throw new BusyResourceError(
      `fd ${String(fd)} is owned by another socket already: dup() it, or detach() it there first`,
    );
  if (status < 0) throw systemError(status, 'getsockopt');
  return new Descriptor(fd, socketKind(info[0] as number, info[1] as number, info[2] as number));
}

function checkFlags(flags: number): void {
  checkInteger('flags', flags, 0, MAX_INT);
}

function checkOption(level: number, option: number): void {
  checkInteger('level', level, MIN_INT, MAX_INT);
  checkInteger('option', option, MIN_INT, MAX_INT);
}

function countOrNull(count: number, syscall: string): number | null {
  if (count >= 0) return count;
  if (count === EAGAIN) return null;
  throw systemError(count, syscall);
}

export type {
  AncillaryData,
  InetAddress,
  ReceivedMessage,
  SendMessageOptions,
  SocketAddress,
  UnixPath,
};

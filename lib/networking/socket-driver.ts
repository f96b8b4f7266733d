import type { AddrInfo, AddrInfoHints, InetAddress, UnixPath } from '../contract/addresses';
import type { AsyncBackend } from '../contract/backend';
import type { AsyncDatagramListener, AsyncListener } from '../contract/listeners';
import type { Awaitable } from '../contract/tasks';
import type { AsyncDatagramTransport, AsyncStreamTransport } from '../contract/transports';

/**
 * What a backend gives so that it can resolve, connect, bind and listen: each function deals with
 * one address, or one fd, at a time.
 *
 * The author of a third backend implements this interface, passes it to the constructor of
 * {@link NetworkingBackend}, and gets the policy with it: argument checks, Happy Eyeballs, local
 * addresses, bind all or none, retries, socket activation. `backends/native` and `backends/node`
 * are two examples of one shape.
 *
 * The rules for all functions:
 * - Arguments have been checked, except the text of a Unix path: the driver refuses a path that is
 *   too long, or has bytes that it cannot use.
 * - `backend` is the backend whose `backend()` the transport or listener returns.
 * - The caller owns what a function returns. Where it throws or rejects, the driver has closed
 *   everything that it opened.
 * - An error of the system has a numeric `errno`, a `code` and a `syscall`, as Node's errors have:
 *   the policy tries the next address after such an error, and gives up after any other.
 * - What the backend cannot do throws UnsupportedOperationError.
 */
export interface SocketDriver {
  /** How this platform numbers families, types and flags. Not read before the first call. */
  readonly constants: NetworkConstants;

  /**
   * getaddrinfo(3). A checkpoint, which {@link SharedLookups} makes of a function that calls back.
   */
  getaddrinfo(
    host: string | null,
    port: number | string | null,
    hints: Required<AddrInfoHints>,
  ): Promise<AddrInfo[]>;
  /** getnameinfo(3). A checkpoint. Refuses what is no address. */
  getnameinfo(address: InetAddress, flags: number): Promise<[string, string]>;

  /**
   * Connects to one address, from one local address or from any. A checkpoint: cancelled, its
   * socket is closed. `syscall` of an error is 'bind' if `local` cannot be bound: the policy then
   * tries the next local address.
   */
  connectTcp(
    backend: AsyncBackend,
    remote: InetAddress,
    local: InetAddress | null,
  ): Promise<AsyncStreamTransport & Disposable>;
  /** As `connectTcp`, for UDP. It need not be a checkpoint: UDP has no handshake to wait for. */
  connectUdp(
    backend: AsyncBackend,
    remote: InetAddress,
    local: InetAddress | null,
  ): Promise<AsyncDatagramTransport>;
  openUnixStream(
    backend: AsyncBackend,
    localPath: UnixPath | undefined,
  ): UnixConnector<AsyncStreamTransport>;
  openUnixDatagram(
    backend: AsyncBackend,
    localPath: UnixPath | undefined,
  ): UnixConnector<AsyncDatagramTransport>;

  /** Binds one address; an IPv6 socket takes IPv6 only. */
  bindTcp(
    backend: AsyncBackend,
    address: InetAddress,
    options: { readonly backlog: number; readonly reusePort: boolean },
  ): Awaitable<BoundSocket<AsyncListener<AsyncStreamTransport>>>;
  bindUdp(
    backend: AsyncBackend,
    address: InetAddress,
    options: { readonly reusePort: boolean },
  ): Awaitable<BoundSocket<AsyncDatagramListener<InetAddress>>>;
  /** Binds and listens. */
  bindUnixStream(
    backend: AsyncBackend,
    path: UnixPath,
    options: { readonly backlog: number; readonly mode: number | undefined },
  ): Awaitable<AsyncListener<AsyncStreamTransport>>;
  bindUnixDatagram(
    backend: AsyncBackend,
    path: UnixPath,
    options: { readonly mode: number | undefined },
  ): Awaitable<AsyncDatagramListener<UnixPath>>;

  /** These four check what they are given. If they fail, the caller still owns the socket. */
  wrapStream(backend: AsyncBackend, socket: unknown): Awaitable<AsyncStreamTransport>;
  wrapConnectedDatagram(backend: AsyncBackend, socket: unknown): Awaitable<AsyncDatagramTransport>;
  wrapListener(
    backend: AsyncBackend,
    socket: unknown,
  ): Awaitable<AsyncListener<AsyncStreamTransport>>;
  wrapDatagramListener(
    backend: AsyncBackend,
    socket: unknown,
  ): Awaitable<AsyncDatagramListener<InetAddress | UnixPath>>;
  /**
   * What an fd is. The fd stays the caller's. @throws the system's error; TypeError if no socket
   */
  roleOf(fd: number): SocketRole;
}

/** Numbers of C headers. A flag that the platform does not have is 0. */
export interface NetworkConstants {
  readonly AF_INET: number;
  readonly AF_INET6: number;
  readonly SOCK_STREAM: number;
  readonly SOCK_DGRAM: number;
  readonly AI_PASSIVE: number;
  readonly AI_ADDRCONFIG: number;
}

/**
 * A Unix socket before its connection, bound to its local path if it has one. Disposing it closes
 * the socket, and removes the file of its local path.
 */
export interface UnixConnector<T> extends Disposable {
  /**
   * A checkpoint. Rejects with EAGAIN while the backlog of the listener is full: the policy then
   * calls it again. Once it resolves, the transport owns the socket.
   */
  connect(path: UnixPath): Promise<T>;
}

/** A bound socket, as the listener that it becomes. Disposing the listener closes the socket. */
export interface BoundSocket<L> {
  readonly listener: L & Disposable;
  /**
   * listen(2): called once the sockets of all addresses are bound, so that no client connects to a
   * server that then fails to start. Absent if the socket listens already, or is a datagram socket.
   */
  readonly listen?: () => void;
}

/** What a socket can be used for, in the words of the error messages. */
export type SocketRole =
  | 'a connected stream socket'
  | 'a listening stream socket'
  | 'a stream socket without a peer'
  | 'a connected datagram socket'
  | 'a bound datagram socket without a peer'
  | 'an unbound datagram socket'
  | 'a datagram socket'
  | `a socket of family ${number} and type ${number}`;

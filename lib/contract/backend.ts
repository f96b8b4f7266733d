import type { AddrInfo, AddrInfoHints, HostPort, InetAddress, UnixPath } from './addresses';
import type { Concurrency } from './concurrency';
import type { AsyncDatagramListener, AsyncListener, EnvironmentListener } from './listeners';
import type { Socket } from './socket';
import type { PortalFunctions, RunInThreadOptions, ThreadFunction, ThreadsPortal } from './threads';
import type { AsyncDatagramTransport, AsyncStreamTransport } from './transports';

/**
 * An engine: tasks and scopes, sockets, threads. No code of this library uses a global backend:
 * every object that a backend makes returns that backend from `backend()`.
 *
 * What a checkpoint is, and the rules for times and misuse, are in the doc of {@link Concurrency}.
 */
export interface AsyncBackend extends Concurrency {
  /** 'native', 'node', or the name of a custom backend. */
  readonly name: string;

  /**
   * getaddrinfo(3), off the event loop. Identical look-ups under way share one answer. A
   * checkpoint: cancelled, it returns at once, and the result of the look-up is dropped. Rejects
   * with ENOTFOUND, EAI_AGAIN, … (`syscall` 'getaddrinfo', `hostname`).
   *
   * No resolver can be interrupted. On `native`, sixteen look-ups run at once. When all callers of
   * a look-up are cancelled, a look-up that has not begun is dropped. A look-up that has begun
   * keeps its thread (there are 64 at most), but delays neither other look-ups nor the end of the
   * process. Numeric hosts are answered at once. On `node`, half of libuv's threads
   * (UV_THREADPOOL_SIZE, 4 by default) run look-ups: two slow names delay every other name, and the
   * end of the process, until the resolver gives them up.
   *
   * @param host null is the loopback address or, with AI_PASSIVE, every interface
   * @param port a number, a service name, or null
   */
  getaddrinfo(
    host: string | null,
    port: number | string | null,
    options?: AddrInfoHints,
  ): Promise<AddrInfo[]>;
  /**
   * getnameinfo(3), off the event loop: [host, service]. A checkpoint, as `getaddrinfo`.
   * @param flags NI_NUMERICHOST, …
   */
  getnameinfo(address: InetAddress, flags?: number): Promise<[string, string]>;

  /**
   * Connects by RFC 8305 (Happy Eyeballs) over all addresses of `host`: families alternate, IPv6
   * first, and each attempt gets a head start. The first success wins; the sockets of the others
   * are closed. A checkpoint; cancelled, every socket is closed. One attempt failed: rejects with
   * its error (ECONNREFUSED, … with `address` and `port`). Several failed: an AggregateError of
   * all, with the `code` of the first. A connection that meets its own socket (a local port where
   * nobody listens, which the kernel has given to the socket itself) is ECONNREFUSED.
   *
   * @param options.localAddress where the socket is bound first
   * @param options.happyEyeballsDelay the head start in milliseconds; default 250; Infinity tries
   *   one address after the other
   */
  createTcpConnection(
    host: string,
    port: number,
    options?: { localAddress?: HostPort; happyEyeballsDelay?: number },
  ): Promise<AsyncStreamTransport>;
  /**
   * Connects to a Unix stream socket. A checkpoint: cancelled, the socket is closed. Waits while
   * the listener's backlog is full. Rejects with ENOENT, ECONNREFUSED,
   * EACCES, ENAMETOOLONG.
   * @param options.localPath where the socket is bound first; `aclose` removes its file
   */
  createUnixStreamConnection(
    path: UnixPath,
    options?: { localPath?: UnixPath },
  ): Promise<AsyncStreamTransport>;
  /**
   * Takes ownership of a connected stream socket, a Socket or a bare fd, and makes it non-blocking.
   * If it rejects, the caller still owns the socket. TypeError if the socket is not a stream socket
   * (or listens); InvalidStateError if a transport owns it already.
   */
  wrapStreamSocket(socket: Socket | number): Promise<AsyncStreamTransport>;
  /**
   * Creates a UDP socket that is connected to the first usable address of the host. A checkpoint.
   * RangeError for a family other than AF_UNSPEC, AF_INET and AF_INET6.
   */
  createUdpEndpoint(
    remoteHost: string,
    remotePort: number,
    options?: { localAddress?: HostPort; family?: number },
  ): Promise<AsyncDatagramTransport>;
  /**
   * Creates a Unix datagram socket that is connected to `path`. A checkpoint. Rejects as
   * `createUnixStreamConnection` does.
   * @param options.localPath the endpoint's own name, without which the peer cannot answer; ''
   *   makes Linux choose an abstract one. `aclose` removes its file.
   */
  createUnixDatagramEndpoint(
    path: UnixPath,
    options?: { localPath?: UnixPath },
  ): Promise<AsyncDatagramTransport>;
  /** As `wrapStreamSocket`, for a connected datagram socket. */
  wrapConnectedDatagramSocket(socket: Socket | number): Promise<AsyncDatagramTransport>;

  /**
   * One listener per resolved address; null (or '') is every interface: an IPv4 listener and an
   * IPv6 one that takes IPv6 only. All or none: a failed bind closes the rest and rejects with its
   * error (EADDRINUSE, EACCES, EADDRNOTAVAIL), or with an AggregateError of several. An address
   * that a host *name* resolved to is passed over if this machine does not have it or its family,
   * as long as another can be bound. With port 0 each listener has a free port of its own.
   *
   * @param options.backlog connections that may wait to be accepted; default 511, at least 1
   * @param options.reusePort SO_REUSEPORT: several sockets of this user share the port, and the
   *   kernel spreads connections
   *
   * @example
   * const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
   * const { port } = listener.extra(SocketAttribute.localAddress);
   * await backend.createTaskGroup().run(async (group) => {
   *   // A client that resets its connection must not end the server.
   *   group.startSoon(() =>
   *     listener.serve((connection) => connection.sendAll(Buffer.from('hello')), {
   *       closeAfter: true,
   *       onPeerError: 'ignore',
   *     }),
   *   );
   *   const client = await backend.createTcpConnection('127.0.0.1', port);
   *   console.log(Buffer.from(await client.recv(100)).toString()); // → hello
   *   await client.aclose();
   *   group.cancelScope.cancel();
   * });
   * await listener.aclose();
   */
  createTcpListeners(
    host: string | readonly string[] | null,
    port: number,
    options?: { backlog?: number; reusePort?: boolean },
  ): Promise<AsyncListener<AsyncStreamTransport>[]>;
  /**
   * Listens on a Unix path. `bind` makes the socket file; `aclose` removes it if it is still the
   * same file. An existing file is EADDRINUSE, even a stale one.
   * @param options.mode permissions of the file, set before any client can connect
   */
  createUnixStreamListener(
    path: UnixPath,
    options?: { backlog?: number; mode?: number },
  ): Promise<AsyncListener<AsyncStreamTransport>>;
  /** As `createTcpListeners`, for UDP sockets: hosts, errors, `reusePort`. */
  createUdpListeners(
    host: string | readonly string[] | null,
    port: number,
    options?: { reusePort?: boolean },
  ): Promise<AsyncDatagramListener<InetAddress>[]>;
  /** As `createUnixStreamListener`, for Unix datagrams. */
  createUnixDatagramListener(
    path: UnixPath,
    options?: { mode?: number },
  ): Promise<AsyncDatagramListener<UnixPath>>;

  /**
   * Takes ownership of a listening stream socket, a Socket or a bare fd, that was inherited or
   * received from another process. TypeError if the socket does not listen.
   */
  wrapListenerSocket(socket: Socket | number): Promise<AsyncListener<AsyncStreamTransport>>;
  /**
   * Takes ownership of a bound datagram socket without a peer. TypeError if the socket is connected
   * or not bound.
   */
  wrapDatagramListenerSocket(
    socket: Socket | number,
  ): Promise<AsyncDatagramListener<InetAddress | UnixPath>>;
  /**
   * Listeners on the sockets that a service manager passed to this process (sd_listen_fds(3):
   * LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES), in its order; an empty array if there are none. The
   * variables are removed, so that child processes do not claim the sockets. All or none: if it
   * rejects, the fds stay open and the variables stay.
   */
  listenersFromEnvironment(): Promise<EnvironmentListener[]>;

  /**
   * Runs an exported function in a worker thread, with cloned arguments; resolves to its result,
   * cloned (or moved: `transferResult`). An error of the function arrives with its class (of the
   * language or of this library; otherwise the nearest of these that it extends), name, message,
   * stack, own properties and cause, within the limits that `runCoroutine` of a portal names.
   *
   * A checkpoint. A call that is cancelled before it began is not made. A cancellation waits for a
   * function that runs or, with `abandonOnCancel`, terminates its thread and rejects at once. The
   * function sees no objects and no AsyncLocalStorage of this thread.
   *
   * @throws TypeError, as a rejection, for a closure, a relative path or a module without such an
   *   export; DataCloneError for values that cannot be cloned; UnsupportedOperationError for a
   *   TypeScript module that this Node.js cannot load
   */
  runInThread<R = unknown>(
    fn: ThreadFunction,
    args?: readonly unknown[],
    options?: RunInThreadOptions,
  ): Promise<R>;
  /** Lets other threads call the given functions in this thread's event loop. */
  createThreadsPortal<F extends PortalFunctions>(functions: F): ThreadsPortal<F>;
}

import type { Awaitable } from '../concurrency/awaitable';
import type { CancelScope } from '../concurrency/cancel-scope';
import type { CancelScopeOptions } from '../concurrency/backend';
import type { ICondition } from '../concurrency/condition';
import type { IEvent } from '../concurrency/event';
import type { ILock } from '../concurrency/lock';
import type { TaskInfo } from './tasks';
import type { TaskGroup } from '../concurrency/task-group';
import type { TimeoutScope } from '../concurrency/timeout-scope';
import type { AddrInfo, AddrInfoHints } from './address-info';
import type { CancelledError } from '../errors';
import type { EnvironmentListener } from '../networking/socket-activation';
import type { AsyncDatagramListener, AsyncListener } from './listeners';
import type { InetAddress, UnixPath } from '../socket/address';
import type { Socket } from '../socket/socket';
import type { ThreadFunction } from '../threads/thread-function';
import type { RunInThreadOptions } from '../threads/thread-pool';
import type { PortalFunctions, ThreadsPortal } from '../threads/threads-portal';
import type { AsyncDatagramTransport, AsyncStreamTransport } from './transports';

/** A host, by name or by address, and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/**
 * An engine: everything that waits, and everything that is waited for. Nothing in this library
 * reaches for a global one; every object that a backend makes gives it back from `backend()`.
 *
 * Times are milliseconds on the backend's clock. A *checkpoint* is a call that waits or may wait:
 * it rejects with CancelledError if a cancel scope around it is cancelled, before it starts or
 * while it waits, and then it had no effect. Misuse rejects from an async method and throws from a
 * sync one.
 */
export interface AsyncBackend {
  /** 'native', 'node', or a name of one's own. */
  readonly name: string;

  /**
   * Runs `main` as the root task. Settles when it and everything that it started has ended: with
   * its result, or its error.
   *
   * @param options.signal cancels it when aborted (before the beginning: `main` does not begin); it
   *   rejects with CancelledError then, whose cause is the signal's reason
   * @throws InvalidStateError inside a task
   */
  bootstrap<R>(
    main: () => Awaitable<R>,
    options?: { name?: string; signal?: AbortSignal },
  ): Promise<R>;

  /** A checkpoint that lets every other ready task, and pending I/O, run once. */
  coroYield(): Promise<void>;
  /** The same, but no cancellation point: it never rejects. */
  cancelShieldedCoroYield(): Promise<void>;
  /**
   * A checkpoint. @param delay milliseconds; 0 yields, Infinity sleeps for ever. @throws RangeError
   * if negative or NaN.
   */
  sleep(delay: number): Promise<void>;
  /** A checkpoint that only a cancellation ends. */
  sleepForever(): Promise<never>;
  /** A checkpoint. @param deadline a time of `currentTime()`; one in the past is a plain yield. */
  sleepUntil(deadline: number): Promise<void>;
  /** Milliseconds on the backend's monotonic clock: only differences mean anything. */
  currentTime(): number;

  /** The class that a cancellation is thrown as. */
  getCancelledErrorClass(): typeof CancelledError;
  /**
   * Runs `fn` shielded, in this task: no scope outside of it reaches its checkpoints. Cancellation
   * is felt at the next checkpoint after it.
   */
  ignoreCancellation<R>(fn: () => Awaitable<R>): Promise<R>;
  /**
   * Makes a promise from elsewhere a checkpoint: when cancelled, it is abandoned, and its late
   * result (or error) dropped.
   */
  waitFor<R>(promise: PromiseLike<R>): Promise<R>;

  /**
   * Runs all concurrently; results in order. The first failure cancels the rest; failures arrive as
   * one AggregateError. Cancelled, it cancels all and waits for them.
   */
  gather<T extends readonly (() => Awaitable<unknown>)[]>(
    ...fns: T
  ): Promise<{ -readonly [K in keyof T]: Awaited<ReturnType<T[K]>> }>;
  /** A new group, which `run` opens: no task outlives it. */
  createTaskGroup(): TaskGroup;
  /** @throws InvalidStateError outside of a task. */
  getCurrentTask(): TaskInfo;

  /**
   * A new scope, which `run` enters. @throws RangeError for a deadline that is NaN; TypeError for a
   * signal that is none.
   */
  openCancelScope(options?: CancelScopeOptions): CancelScope;
  /**
   * A scope whose deadline counts from this call; one that has passed takes effect when the scope
   * is entered.
   */
  moveOnAfter(delay: number): CancelScope;
  /** A scope with a deadline on the backend's clock. @throws RangeError for NaN. */
  moveOnAt(deadline: number): CancelScope;
  /**
   * Like moveOnAfter, but its `run` rejects with TimeoutError where a move-on scope would resolve
   * to undefined.
   */
  timeout(delay: number): TimeoutScope;
  /** Like `timeout`, with a deadline on the backend's clock. */
  timeoutAt(deadline: number): TimeoutScope;

  /**
   * getaddrinfo(3), off the event loop. Coalesces identical look-ups under way. A checkpoint:
   * cancelled, it leaves at once, and the look-up ends unheard. Rejects with ENOTFOUND, EAI_AGAIN,
   * … (`syscall` 'getaddrinfo', `hostname`).
   *
   * @param host null is the loopback address, or with AI_PASSIVE every interface
   * @param port a number, a service name, or null
   */
  getaddrinfo(
    host: string | null,
    port: number | string | null,
    options?: AddrInfoHints,
  ): Promise<AddrInfo[]>;
  /**
   * getnameinfo(3), off the event loop: [host, service]. A checkpoint, as `getaddrinfo`. @param
   * flags NI_NUMERICHOST, …
   */
  getnameinfo(address: InetAddress, flags?: number): Promise<[string, string]>;

  /**
   * Connects by RFC 8305 (Happy Eyeballs) over all addresses of `host`: families interleaved, IPv6
   * first, each attempt given a head start; the first to succeed wins and the others' sockets are
   * closed. A checkpoint; cancelled, every socket is closed. One attempt failed: its error
   * (ECONNREFUSED, … with `address` and `port`). Several: an AggregateError of all, with the `code`
   * of the first.
   *
   * @param options.localAddress where it is bound first
   * @param options.happyEyeballsDelay milliseconds; default 250; Infinity is one after the other
   */
  createTcpConnection(
    host: string,
    port: number,
    options?: { localAddress?: HostPort; happyEyeballsDelay?: number },
  ): Promise<AsyncStreamTransport>;
  /**
   * A checkpoint. Waits while the listener's backlog is full. Rejects with ENOENT, ECONNREFUSED,
   * EACCES, ENAMETOOLONG.
   */
  createUnixStreamConnection(
    path: UnixPath,
    options?: { localPath?: UnixPath },
  ): Promise<AsyncStreamTransport>;
  /**
   * Takes ownership of a connected stream socket: a Socket, or a bare fd, and makes it
   * non-blocking. Where it rejects, the socket stays the caller's. TypeError if it is no stream
   * socket (or listens); InvalidStateError if a transport has it already.
   */
  wrapStreamSocket(socket: Socket | number): Promise<AsyncStreamTransport>;
  /**
   * A UDP socket connected to the first address of the host that works. RangeError for a family
   * that is neither AF_UNSPEC, AF_INET nor AF_INET6.
   */
  createUdpEndpoint(
    remoteHost: string,
    remotePort: number,
    options?: { localAddress?: HostPort; family?: number },
  ): Promise<AsyncDatagramTransport>;
  /**
   * @param options.localPath its own name, without which the peer cannot answer; '' lets Linux
   *   choose an abstract one. A file is removed by `aclose`.
   */
  createUnixDatagramEndpoint(
    path: UnixPath,
    options?: { localPath?: UnixPath },
  ): Promise<AsyncDatagramTransport>;
  /** As `wrapStreamSocket`, for a connected datagram socket. */
  wrapConnectedDatagramSocket(socket: Socket | number): Promise<AsyncDatagramTransport>;

  /**
   * One listener per resolved address; null (or '') is every interface, an IPv4 and an IPv6 one
   * (which takes IPv6 only). All or none: a failed bind closes the rest, and rejects with its error
   * (EADDRINUSE, EACCES, EADDRNOTAVAIL), or an AggregateError of several. With port 0 each has a
   * free port of its own.
   *
   * @param options.backlog connections that may wait to be accepted; default 511, at least 1
   * @param options.reusePort SO_REUSEPORT: several sockets, of this user, share the port, and the
   *   kernel spreads connections
   */
  createTcpListeners(
    host: string | readonly string[] | null,
    port: number,
    options?: { backlog?: number; reusePort?: boolean },
  ): Promise<AsyncListener<AsyncStreamTransport>[]>;
  /**
   * The socket file is made by bind and removed by `aclose`, if it is still the same file. One that
   * exists is EADDRINUSE, stale or not.
   * @param options.mode permissions of the file, set before anybody can connect
   */
  createUnixStreamListener(
    path: UnixPath,
    options?: { backlog?: number; mode?: number },
  ): Promise<AsyncListener<AsyncStreamTransport>>;
  /** As `createTcpListeners`, of UDP sockets: hosts, errors, `reusePort`. */
  createUdpListeners(
    host: string | readonly string[] | null,
    port: number,
    options?: { reusePort?: boolean },
  ): Promise<AsyncDatagramListener<InetAddress>[]>;
  /** As `createUnixStreamListener`. */
  createUnixDatagramListener(
    path: UnixPath,
    options?: { mode?: number },
  ): Promise<AsyncDatagramListener<UnixPath>>;

  /**
   * Takes ownership of a listening stream socket, a Socket or a bare fd: one that was inherited, or
   * received from another process. TypeError if it does not listen.
   */
  wrapListenerSocket(socket: Socket | number): Promise<AsyncListener<AsyncStreamTransport>>;
  /**
   * Takes ownership of a bound datagram socket that is not connected. TypeError if it is connected,
   * or not bound.
   */
  wrapDatagramListenerSocket(
    socket: Socket | number,
  ): Promise<AsyncDatagramListener<InetAddress | UnixPath>>;
  /**
   * The sockets that a service manager passed to this process (sd_listen_fds(3): LISTEN_PID,
   * LISTEN_FDS, LISTEN_FDNAMES), in its order; none if it did not. The variables are removed, so
   * that children do not take them for theirs. All or none: where it rejects, the fds stay open and
   * the variables stay.
   */
  listenersFromEnvironment(): Promise<EnvironmentListener[]>;

  /** A mutual exclusion. Whoever waits longest comes first, but a free lock may be taken before. */
  createLock(): ILock;
  /** Strictly first come, first served. */
  createFairLock(): ILock;
  /** A new event, not set. There is no way back once it is. */
  createEvent(): IEvent;
  /**
   * @param lock either kind of lock of this library; default one of its own. @throws TypeError for
   *   any other.
   */
  createConditionVar(lock?: ILock): ICondition;

  /**
   * Runs an exported function in a worker thread. A checkpoint: cancellation waits for it
   * (default), or, with `abandonOnCancel`, terminates the thread and rejects at once. TypeError for
   * a closure: it cannot leave its thread.
   */
  runInThread<R = unknown>(
    fn: ThreadFunction,
    args?: readonly unknown[],
    options?: RunInThreadOptions,
  ): Promise<R>;
  /** Lets other threads call the given functions in this thread's event loop. */
  createThreadsPortal<F extends PortalFunctions>(functions: F): ThreadsPortal<F>;
}

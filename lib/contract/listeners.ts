import type { InetAddress, UnixPath } from './addresses';
import type { AncillaryData } from './ancillary';
import type { Bytes } from './bytes';
import type { Awaitable, TaskGroup } from './tasks';
import type { AsyncBaseTransport, AsyncStreamTransport } from './transports';

/** How a stream listener serves. */
export interface ServeOptions<T> {
  /** The group whose tasks the handlers are. Default: a group of the call's own. */
  readonly group?: TaskGroup;
  /**
   * How many handlers may run at once; from there on nothing is accepted until one of them ends.
   * The kernel's queue (`backlog`) fills meanwhile, and then clients wait for their connection, or
   * have it refused. Handlers of an earlier `serve` that had this limit and still run are counted,
   * too.
   *
   * The `node` backend cannot leave connections to the kernel: it accepts and holds up to `backlog`
   * of them, unread, and closes further ones.
   *
   * A whole number from 1, or Infinity. Default: Infinity, no limit.
   */
  readonly maxConnections?: number;
  /**
   * Closes each transport when its handler has ended: gracefully (`aclose`) if it has returned, at
   * once if it has failed or was cancelled. The handler counts as running until then, and an error
   * of the close counts as an error of the handler. Default: false. A transport then stays open
   * when its handler returns, and is closed if the handler fails.
   */
  readonly closeAfter?: boolean;
  /**
   * 'ignore': an error of a handler that `isPeerError` holds for closes its connection, and does no
   * more. It does not matter on which connection the error came: also that of a connection which
   * the handler has opened is ignored, unless the handler catches it. Default: 'raise', as any
   * other error.
   */
  readonly onPeerError?: 'raise' | 'ignore';
  /**
   * Gets the errors of handlers, which then end their connection and not `serve`, except those that
   * `onPeerError` ignores, and except cancellations. It is called before the connection is closed,
   * so that attributes of `transport` can be read. What it throws, or rejects with, is the failure
   * of the handler's task. Default: errors fail the group.
   */
  readonly onError?: (error: unknown, transport: T) => void;
}

/** A listening stream socket. */
export interface AsyncListener<T> extends AsyncBaseTransport {
  /**
   * Accepts for ever. The handler of each connection runs as a task of a given group, or of a group
   * of the call's own; in the latter case `serve` ends only when the handlers have.
   *
   * - The handler owns its transport: `await using connection = transport`, or close it, or serve
   *   with `closeAfter`. If the handler fails or is cancelled, the transport is closed.
   * - The error of a handler is the error of its task: it fails the group, which cancels the other
   *   handlers and `serve`. **A peer can cause such errors**, by a reset alone: a server catches
   *   them, or serves with `onPeerError: 'ignore'`.
   * - As many handlers run at once as peers connect, unless `maxConnections` says how many may.
   * - EMFILE, ENFILE, ENOBUFS and ENOMEM: a process warning (`SOCKSCOPE_ACCEPT`), at most one
   *   per listener and minute, and a try every 100 ms until accepting works again. Connections that
   *   were aborted before they could be accepted are passed over (accept(2)). Any other error of
   *   accept ends `serve`.
   * - Rejects with ClosedResourceError when the listener is closed, with BusyResourceError if the
   *   listener is serving already.
   *
   * **Cancellation.** A checkpoint. `serve` stops accepting, cancels the handlers of its own group
   * and leaves the listener open: it can serve again. No accepted connection stays open without an
   * owner.
   *
   * @param options a task group, which is short for `{ group }`, or options
   * @throws TypeError and RangeError, as rejections, for options of the wrong kind
   */
  serve(
    handler: (transport: T) => Awaitable<void>,
    options?: TaskGroup | ServeOptions<T>,
  ): Promise<never>;
}

/** A bound datagram socket that receives from all peers. */
export interface AsyncDatagramListener<A> extends AsyncBaseTransport {
  /**
   * How many handlers of `serve` and `serveWithAncillary` may run at once, those of earlier calls
   * included. From there on nothing is received until one of them ends: the kernel's queue fills,
   * and drops what it has no room for (for Unix datagrams, senders wait instead). The `node`
   * backend cannot leave datagrams to the kernel: it keeps 8,192 of them, and 2 MiB, in memory, and
   * drops further ones.
   *
   * May be set at any time: a whole number from 1, or Infinity; TypeError or RangeError for others.
   * Default: 1,024.
   */
  maxConcurrentHandlers: number;
  /**
   * Receives for ever. The handler of each datagram runs as a task (of `group`, or of a group of
   * the call's own); the tasks begin in order of arrival. No other code writes the data; short
   * datagrams share an ArrayBuffer with others: respect `byteOffset`. `address` is a valid
   * destination of `sendTo`, unless it is '': a Unix sender without a name cannot be answered.
   *
   * The error of a handler is the error of its task, and fails the group. A network error for an
   * earlier send (ECONNREFUSED, …) is no failure of the listener: it is a process warning
   * (`SOCKSCOPE_RECEIVE`), and receiving goes on. Rejects with ClosedResourceError and
   * BusyResourceError as a stream listener does.
   *
   * **Cancellation.** A checkpoint. No datagram whose handler had not begun is lost: the listener
   * can serve again, and begins with it.
   */
  serve(
    handler: (data: Uint8Array, address: A) => Awaitable<void>,
    group?: TaskGroup,
  ): Promise<never>;
  /**
   * `serve` with the control messages of each datagram; cancellation as there. **Ownership.** The
   * handler owns received fds.
   */
  serveWithAncillary(
    handler: (data: Uint8Array, ancillary: AncillaryData | null, address: A) => Awaitable<void>,
    ancillaryBufsize: number,
    group?: TaskGroup,
  ): Promise<never>;
  /**
   * Sends one datagram, whole or not at all. Any number of tasks may send at once; their datagrams
   * go in the order of the calls. Waits while the queue of the kernel (for Unix datagrams, of the
   * receiver) is full. A checkpoint: cancelled, it has sent nothing. Rejects with the system's
   * error: ECONNREFUSED or ENOENT (no receiver at a Unix path), EMSGSIZE, EDESTADDRREQ (the unnamed
   * address), …
   */
  sendTo(data: Bytes, address: A): Promise<void>;
  /**
   * `sendTo` with control messages; cancellation as there. **Ownership.** The caller keeps the fds
   * that it sends.
   */
  sendWithAncillaryTo(data: Bytes, ancillary: AncillaryData, address: A): Promise<void>;
}

/**
 * A listener on a socket that the service manager opened for this process. `name` is
 * FileDescriptorName= of the socket unit, or 'unknown'.
 */
export type EnvironmentListener =
  | {
      readonly name: string;
      readonly kind: 'stream';
      readonly listener: AsyncListener<AsyncStreamTransport>;
    }
  | {
      readonly name: string;
      readonly kind: 'datagram';
      readonly listener: AsyncDatagramListener<InetAddress | UnixPath>;
    };

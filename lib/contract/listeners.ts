import type { InetAddress, UnixPath } from './addresses';
import type { AncillaryData } from './ancillary';
import type { Bytes } from './bytes';
import type { Awaitable, TaskGroup } from './tasks';
import type { AsyncBaseTransport, AsyncStreamTransport } from './transports';

/** A listening stream socket. */
export interface AsyncListener<T> extends AsyncBaseTransport {
  /**
   * Accepts for ever. The handler of each connection runs as a task of `group`, or of a group of
   * the call's own; in the latter case `serve` ends only when the handlers have.
   *
   * - The handler owns its transport: `await using connection = transport`, or close it. If the
   *   handler fails or is cancelled, the transport is closed.
   * - The error of a handler is the error of its task: it fails the group, which cancels the other
   *   handlers and `serve`.
   * - EMFILE, ENFILE, ENOBUFS and ENOMEM: one process warning (`SOCKSCOPE_ACCEPT`), and a try every
   *   100 ms until accepting works again. Connections that were aborted before they could be
   *   accepted are passed over (accept(2)). Any other error of accept ends `serve`.
   * - Rejects with ClosedResourceError when the listener is closed, with BusyResourceError if the
   *   listener is serving already.
   *
   * **Cancellation.** A checkpoint. `serve` stops accepting, cancels the handlers of its own group
   * and leaves the listener open: it can serve again. No accepted connection stays open without an
   * owner.
   */
  serve(handler: (transport: T) => Awaitable<void>, group?: TaskGroup): Promise<never>;
}

/** A bound datagram socket that receives from all peers. */
export interface AsyncDatagramListener<A> extends AsyncBaseTransport {
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

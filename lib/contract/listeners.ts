import type { Awaitable } from '../concurrency/awaitable';
import type { TaskGroup } from '../concurrency/task-group';
import type { Bytes } from './bytes';
import type { AncillaryData } from '../socket/ancillary';
import type { AsyncBaseTransport } from './transports';

/** A listening stream socket. */
export interface AsyncListener<T> extends AsyncBaseTransport {
  /**
   * Accepts for ever. Each connection's handler runs as a task of `group`, or of a group of its
   * own; in that case `serve` ends only when the handlers have.
   *
   * - The handler owns its transport: `await using connection = transport`, or close it. Where the
   *   handler fails or is cancelled, it is closed.
   * - A handler's error is its task's: it fails the group, which cancels the other handlers, and
   *   `serve`.
   * - EMFILE, ENFILE, ENOBUFS and ENOMEM: one process warning (`SOCKSCOPE_ACCEPT`), and a try every
   *   100 ms until it goes on. Connections that were aborted before they could be accepted are
   *   passed over (accept(2)). Any other error of accept ends `serve`.
   * - Rejects with ClosedResourceError when the listener is closed, BusyResourceError if it is
   *   serving already.
   *
   * **Cancellation.** A checkpoint. It stops accepting, cancels its own group's handlers, and
   * leaves the listener open: it can serve again. No accepted connection is left open without an
   * owner.
   */
  serve(handler: (transport: T) => Awaitable<void>, group?: TaskGroup): Promise<never>;
}

/** A bound datagram socket, for all peers. */
export interface AsyncDatagramListener<A> extends AsyncBaseTransport {
  /**
   * Receives for ever. Each datagram's handler runs as a task (of `group`, or of a group of its
   * own), begun in order of arrival; nobody else writes the data, ever (but short datagrams share
   * an ArrayBuffer with others: mind `byteOffset`), and `address` is a valid destination of
   * `sendTo`, unless it is '': a Unix sender without a name cannot be answered.
   *
   * A handler's error is its task's, and fails the group. Errors that the network reported for an
   * earlier send (ECONNREFUSED, …) are no failure of the listener: a process warning
   * (`SOCKSCOPE_RECEIVE`), and on it goes. Rejects with ClosedResourceError, BusyResourceError as a
   * stream listener does.
   *
   * **Cancellation.** A checkpoint. No datagram is lost whose handler had not begun: the listener
   * can serve again, and begins with it.
   */
  serve(
    handler: (data: Uint8Array, address: A) => Awaitable<void>,
    group?: TaskGroup,
  ): Promise<never>;
  /**
   * `serve`, with the control messages of each datagram; cancellation as there. **Ownership.**
   * Received fds are the handler's.
   */
  serveWithAncillary(
    handler: (data: Uint8Array, ancillary: AncillaryData | null, address: A) => Awaitable<void>,
    ancillaryBufsize: number,
    group?: TaskGroup,
  ): Promise<never>;
  /**
   * Sends one datagram: whole, or not at all. Safe from many tasks at once: first come, first
   * served. Waits while the kernel's queue (for Unix datagrams: the receiver's) is full. A
   * checkpoint: if it is cancelled, nothing was sent. Rejects with the system's error: ECONNREFUSED
   * or ENOENT (Unix: nobody there), EMSGSIZE, EDESTADDRREQ (an unnamed address), …
   */
  sendTo(data: Bytes, address: A): Promise<void>;
  /**
   * `sendTo`, with control messages; cancellation as there. **Ownership.** Fds that are sent stay
   * the caller's.
   */
  sendWithAncillaryTo(data: Bytes, ancillary: AncillaryData, address: A): Promise<void>;
}

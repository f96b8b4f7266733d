import type { AsyncBackend } from './backend';
import type { Bytes } from './bytes';
import type { AncillaryData } from '../socket/ancillary';
import type { TypedAttribute } from '../transports/attributes';

/** What transports and listeners have in common. */
export interface AsyncBaseTransport extends AsyncDisposable {
  /**
   * Closes, gracefully: a send under way is finished first. If it is cancelled, it closes abruptly.
   * A task that is waiting to receive gets ClosedResourceError. Idempotent. Errors of close(2) are
   * ignored: the fd is gone all the same.
   *
   * **Cancellation.** A checkpoint. In a cancelled scope it closes at once, then rejects with
   * CancelledError; a send under way rejects with ClosedResourceError then, and part of its data
   * may have gone.
   */
  aclose(): Promise<void>;
  /** True once `aclose` was called. A connection that the peer has broken is not closing. */
  isClosing(): boolean;
  /** The backend it was made by. */
  backend(): AsyncBackend;
  /**
   * A typed attribute of this transport or of one that it wraps.
   * @throws AttributeLookupError (`ERR_ATTRIBUTE_LOOKUP`), if there is none (or it cannot be had:
   *   an address after `aclose`) and no fallback was given.
   */
  extra<T>(attribute: TypedAttribute<T>, fallback?: T): T;
}

/**
 * The receiving half of a stream.
 *
 * Every receive is a checkpoint. It rejects with ClosedResourceError after (and during) `aclose`,
 * BusyResourceError while another task is receiving, and a system error when the connection is
 * lost: ECONNRESET, ETIMEDOUT, … (again at each further receive).
 *
 * **Cancellation.** No byte is consumed: the next receive gets everything.
 * **Ownership.** Buffers are written to only while the system call runs, which is before the
 * promise settles.
 */
export interface AsyncStreamReadTransport extends AsyncBaseTransport {
  /**
   * Up to `bufsize` bytes (and 1 MiB), which nobody else writes; short ones share an ArrayBuffer
   * with others, as Node's own Buffers do: mind `byteOffset`. Empty is the end of the stream, for
   * ever (or `bufsize` was 0). @throws RangeError if negative.
   */
  recv(bufsize: number): Promise<Uint8Array>;
  /**
   * The number of bytes written into `buffer`: 0 is the end of the stream (or `buffer` is empty,
   * and nothing was waited for).
   */
  recvInto(buffer: Bytes): Promise<number>;
  /**
   * recvmsg(2): scatters into several buffers, in order. The number of bytes; 0 as for `recvInto`.
   */
  recvIntoMany(buffers: readonly Bytes[]): Promise<number>;
  /**
   * `recv`, with control messages: `ancillaryBufferSize(fds)` says how many bytes they need.
   * UnsupportedOperationError on TCP.
   */
  recvWithAncillary(
    bufsize: number,
    ancillaryBufsize: number,
  ): Promise<{ data: Uint8Array; ancillary: AncillaryData }>;
  /** `recvInto`, with control messages. UnsupportedOperationError on TCP. */
  recvWithAncillaryInto(
    buffer: Bytes,
    ancillaryBufsize: number,
  ): Promise<{ bytes: number; ancillary: AncillaryData }>;
}

/**
 * The sending half of a stream. It does not buffer: a send resolves when the kernel has taken
 * everything.
 *
 * Every send is a checkpoint. It rejects with ClosedResourceError after `aclose`, BusyResourceError
 * while another task is sending, and a system error when the connection is lost: EPIPE, ECONNRESET,
 * …
 *
 * **Cancellation.** If nothing was taken yet, nothing will be. If a part was, the CancelledError's
 * `bytesSent` tells how much; the stream is broken then, and only `aclose` is left (sending again
 * is an InvalidStateError).
 * **Ownership.** Buffers are read while the promise is pending, and must not be changed until then.
 */
export interface AsyncStreamWriteTransport extends AsyncBaseTransport {
  /** send(2), until all of it is taken; nothing is done for an empty buffer. */
  sendAll(data: Bytes): Promise<void>;
  /**
   * sendmsg(2): gathers without concatenation, in as few system calls as the kernel allows. The
   * iterable is read at once, to its end.
   */
  sendAllFromIterable(data: Iterable<Bytes>): Promise<void>;
  /**
   * All in one message, or an error: EMSGSIZE if the kernel takes only a part (its `bytesSent` has
   * gone, with the control messages). RangeError for control messages without a byte of data, which
   * the kernel would drop. UnsupportedOperationError on TCP. Fds that are sent stay the caller's.
   */
  sendAllWithAncillary(data: Iterable<Bytes>, ancillary: AncillaryData): Promise<void>;
}

/** A connected stream, both ways. One task may receive while another sends. */
export interface AsyncStreamTransport extends AsyncStreamReadTransport, AsyncStreamWriteTransport {
  /**
   * shutdown(2): the peer sees the end of the stream; receiving goes on. Idempotent; does nothing
   * once closed, or if the peer has gone. A checkpoint.
   */
  sendEof(): Promise<void>;
}

/**
 * A connected datagram socket. Errors, cancellation and ownership are as for streams; a datagram is
 * sent whole or not at all. An error that the network reported for an earlier datagram
 * (ECONNREFUSED) rejects one later call, once.
 */
export interface AsyncDatagramTransport extends AsyncBaseTransport {
  /** Exactly one packet, never truncated; empty ones are legal. */
  recv(): Promise<Uint8Array>;
  /** One packet into `buffer`. A packet that does not fit is EMSGSIZE, and lost. */
  recvInto(buffer: Bytes): Promise<number>;
  /** One packet, with control messages. */
  recvWithAncillary(
    ancillaryBufsize: number,
  ): Promise<{ data: Uint8Array; ancillary: AncillaryData }>;
  /**
   * Waits while the kernel's (for Unix datagrams: the receiver's) queue is full. EMSGSIZE if it is
   * too large for one packet.
   */
  send(data: Bytes): Promise<void>;
  /** `send`, with control messages. Fds that are sent stay the caller's. */
  sendWithAncillary(data: Bytes, ancillary: AncillaryData): Promise<void>;
  /** recvmmsg(2): waits for one packet, then takes what is there, at most `max`. */
  recvMany(max: number): Promise<Uint8Array[]>;
  /**
   * sendmmsg(2), or UDP segmentation offload (udp(7), UDP_SEGMENT) for runs of packets of one size,
   * in order. If it is cancelled or fails half-way, the error's `packetsSent` says how many have
   * gone.
   */
  sendMany(packets: readonly Bytes[]): Promise<void>;
}

import type { AncillaryData } from './ancillary';
import type { TypedAttribute } from './attributes';
import type { AsyncBackend } from './backend';
import type { Bytes } from './bytes';

/** What all transports and listeners have in common. */
export interface AsyncBaseTransport extends AsyncDisposable {
  /**
   * Closes gracefully: a send under way is finished first. A task that waits to receive gets
   * ClosedResourceError. Idempotent. Errors of close(2) are ignored: the fd is closed all the same.
   *
   * On a stream, the peer gets what was sent, also if it has sent more than was received: close(2)
   * alone would answer that by a reset, which drops what is under way. `aclose` therefore waits if
   * the transport has sent something and input is unread or, on TCP, the peer's kernel has not
   * acknowledged everything. It ends the stream (shutdown(2)) and discards input until the peer
   * ends its own stream, or until the peer has received everything and, if it was seen sending, has
   * been silent for 250 ms. It waits for 2 s, and discards 16 MiB, at most: a peer that has not
   * received everything by then, or still sends, may get a reset. In all other cases, and with
   * SO_LINGER, close(2) comes at once. `acloseForcefully` never waits.
   *
   * If the transport has sent something, `aclose` ends the stream for every process that has the
   * same socket (a passed fd, a `dup`). `acloseForcefully` closes the fd of this process alone.
   *
   * **Cancellation.** A checkpoint. In a cancelled scope it closes at once and then rejects with
   * CancelledError; a send under way then rejects with ClosedResourceError, and a part of its data
   * may have been sent.
   */
  aclose(): Promise<void>;
  /** True once `aclose` was called. A connection that the peer has broken is not closing. */
  isClosing(): boolean;
  /** The backend that made this transport. */
  backend(): AsyncBackend;
  /**
   * A typed attribute of this transport or of a transport that it wraps. If there is none, or it is
   * not available (an address after `aclose`), the fallback.
   * @throws AttributeLookupError (`ERR_ATTRIBUTE_LOOKUP`) in that case if no fallback was given
   */
  extra<T>(attribute: TypedAttribute<T>, fallback?: T): T;
}

/**
 * The receiving half of a stream.
 *
 * Every receive is a checkpoint. It rejects with ClosedResourceError after (and during) `aclose`,
 * BusyResourceError while another task receives, and a system error once the connection is lost
 * (ECONNRESET, ETIMEDOUT, …), which every later receive repeats, also if a send met it first. What
 * arrived before is received first. An end of the stream that a receive has returned stays.
 *
 * **Cancellation.** No byte is consumed: the next receive gets everything.
 * **Ownership.** Buffers are written to only during the system call, before the promise settles.
 */
export interface AsyncStreamReadTransport extends AsyncBaseTransport {
  /**
   * Receives at most `bufsize` bytes, and at most 1 MiB. No other code writes the result; short
   * results share an ArrayBuffer with others, as Buffers of Node.js do: respect `byteOffset`. An
   * empty result is the end of the stream, which stays (or `bufsize` was 0).
   * @throws RangeError, as a rejection, if `bufsize` is negative
   */
  recv(bufsize: number): Promise<Uint8Array>;
  /**
   * Receives into `buffer`; resolves to the number of bytes. 0 is the end of the stream (or
   * `buffer` is empty, and the call did not wait).
   */
  recvInto(buffer: Bytes): Promise<number>;
  /** recvmsg(2): scatters into several buffers, in order. Resolves as `recvInto` does. */
  recvIntoMany(buffers: readonly Bytes[]): Promise<number>;
  /**
   * `recv` with control messages; `ancillaryBufferSize(fds)` computes `ancillaryBufsize`, in bytes.
   * UnsupportedOperationError on TCP.
   */
  recvWithAncillary(
    bufsize: number,
    ancillaryBufsize: number,
  ): Promise<{ data: Uint8Array; ancillary: AncillaryData }>;
  /** `recvInto` with control messages. UnsupportedOperationError on TCP. */
  recvWithAncillaryInto(
    buffer: Bytes,
    ancillaryBufsize: number,
  ): Promise<{ bytes: number; ancillary: AncillaryData }>;
}

/**
 * The sending half of a stream. It has no buffer: a send resolves when the kernel has taken all
 * data.
 *
 * Every send is a checkpoint. It rejects with ClosedResourceError after `aclose`, BusyResourceError
 * while another task sends, and a system error once the connection is lost (EPIPE, ECONNRESET, …).
 *
 * **Cancellation.** If the kernel has taken nothing yet, it takes nothing. If it has taken a part,
 * the CancelledError's `bytesSent` counts it; the stream is then broken and only `aclose` is left
 * (another send is an InvalidStateError).
 * **Ownership.** Buffers are read while the promise is pending, and must not change until it
 * settles.
 */
export interface AsyncStreamWriteTransport extends AsyncBaseTransport {
  /** send(2) until the kernel has taken all of `data`. An empty buffer sends nothing. */
  sendAll(data: Bytes): Promise<void>;
  /**
   * sendmsg(2): gathers without concatenation, in as few system calls as the kernel allows. The
   * iterable is read to its end before the first call.
   */
  sendAllFromIterable(data: Iterable<Bytes>): Promise<void>;
  /**
   * Sends all data in one message with control messages, or rejects: EMSGSIZE if the kernel takes
   * only a part (`bytesSent` of the error has been sent, with the control messages); RangeError for
   * control messages without a byte of data, which the kernel would drop; UnsupportedOperationError
   * on TCP. The caller keeps the fds that it sends.
   */
  sendAllWithAncillary(data: Iterable<Bytes>, ancillary: AncillaryData): Promise<void>;
}

/** A connected stream, both ways. One task may receive while another sends. */
export interface AsyncStreamTransport extends AsyncStreamReadTransport, AsyncStreamWriteTransport {
  /**
   * Half-closes, by shutdown(2): the peer sees the end of the stream; receiving goes on. A
   * checkpoint. Idempotent; does nothing after `aclose`, or once the peer has gone.
   */
  sendEof(): Promise<void>;
}

/**
 * The receiving half of a datagram transport. Errors, cancellation and ownership are those of
 * streams. A network error for an earlier datagram (ECONNREFUSED) rejects one later call, once.
 */
export interface AsyncDatagramReadTransport extends AsyncBaseTransport {
  /** Receives one datagram, never truncated. Empty datagrams are legal. A checkpoint. */
  recv(): Promise<Uint8Array>;
  /**
   * Receives one datagram into `buffer`; resolves to its length. A datagram that does not fit is
   * EMSGSIZE, and is lost. A checkpoint.
   */
  recvInto(buffer: Bytes): Promise<number>;
  /** `recv` with control messages. A checkpoint. */
  recvWithAncillary(
    ancillaryBufsize: number,
  ): Promise<{ data: Uint8Array; ancillary: AncillaryData }>;
  /** recvmmsg(2): waits for one datagram, then takes at most `max` that are there. A checkpoint. */
  recvMany(max: number): Promise<Uint8Array[]>;
}

/**
 * The sending half of a datagram transport. Errors, cancellation and ownership are those of
 * streams; a datagram is sent whole or not at all.
 */
export interface AsyncDatagramWriteTransport extends AsyncBaseTransport {
  /**
   * Sends one datagram. Waits while the queue of the kernel (for Unix datagrams, of the receiver)
   * is full. EMSGSIZE if `data` is too long for one datagram. A checkpoint.
   */
  send(data: Bytes): Promise<void>;
  /** `send` with control messages. The caller keeps the fds that it sends. A checkpoint. */
  sendWithAncillary(data: Bytes, ancillary: AncillaryData): Promise<void>;
  /**
   * sendmmsg(2), or UDP segmentation offload (udp(7), UDP_SEGMENT) for runs of datagrams of one
   * size, in order. A checkpoint. If it is cancelled or fails half-way, the error's `packetsSent`
   * counts the datagrams that were sent.
   */
  sendMany(packets: readonly Bytes[]): Promise<void>;
}

/** A connected datagram socket. One task may receive while another sends. */
export interface AsyncDatagramTransport
  extends AsyncDatagramReadTransport, AsyncDatagramWriteTransport {}

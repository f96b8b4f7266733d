import type { AncillaryData } from '../contract/ancillary';
import type { Bytes } from '../contract/bytes';
import type {
  AsyncStreamReadTransport,
  AsyncStreamTransport,
  AsyncStreamWriteTransport,
} from '../contract/transports';
import { lengthNow, readBytes, readBytesList } from '../arguments/buffers';
import { checkInteger } from '../arguments/validate';
import { join, noAncillary, nothingToDo } from './base-defaults';
import { BaseTransport } from './base-transport';

const MAX_INT = 0x7fffffff;
/** `recv` allocates before it knows how much has arrived, and so no more than this. */
const MAX_RECV_BYTES = 1024 * 1024;
const EMPTY = new Uint8Array(0);

/**
 * The base of custom transports that only receive: a subclass writes `recvInto`, and closes by
 * `close`. The other ways to receive call `recvInto`, so that its cancellation, errors and end of
 * the stream are theirs, too. Control messages are an UnsupportedOperationError.
 *
 * @example
 * class Zeros extends BaseStreamReadTransport {
 *   async recvInto(buffer) {
 *     await this.backend().coroYield(); // a checkpoint, like every receive
 *     new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength).fill(0);
 *     return buffer.byteLength;
 *   }
 * }
 * await using zeros = new Zeros(backend);
 * console.log(await zeros.recv(3)); // → Uint8Array(3) [ 0, 0, 0 ]
 */
export abstract class BaseStreamReadTransport
  extends BaseTransport
  implements AsyncStreamReadTransport
{
  abstract recvInto(buffer: Bytes): Promise<number>;

  /** Allocates `bufsize` bytes, 1 MiB at most, for `recvInto`. */
  async recv(bufsize: number): Promise<Uint8Array> {
    checkInteger('bufsize', bufsize, 0, MAX_INT);
    if (bufsize === 0) {
      await nothingToDo(this, 'recv');
      return EMPTY;
    }
    const memory = new Uint8Array(Math.min(bufsize, MAX_RECV_BYTES));
    const count = await this.recvInto(memory);
    checkInteger('result of recvInto()', count, 0, memory.length);
    // A short result does not keep all of the memory alive.
    return count < memory.length / 2 ? memory.slice(0, count) : memory.subarray(0, count);
  }

  /** Receives into the first buffer that is not empty, as recvmsg(2) may. */
  async recvIntoMany(buffers: readonly Bytes[]): Promise<number> {
    const target = readBytesList('buffers', buffers).find((view) => lengthNow(view) > 0);
    if (target !== undefined) return this.recvInto(target);
    await nothingToDo(this, 'recvIntoMany');
    return 0;
  }

  /** Rejects with UnsupportedOperationError. No checkpoint. */
  recvWithAncillary(
    _bufsize: number,
    _ancillaryBufsize: number,
  ): Promise<{ data: Uint8Array; ancillary: AncillaryData }> {
    return noAncillary('recvWithAncillary');
  }

  /** Rejects with UnsupportedOperationError. No checkpoint. */
  recvWithAncillaryInto(
    _buffer: Bytes,
    _ancillaryBufsize: number,
  ): Promise<{ bytes: number; ancillary: AncillaryData }> {
    return noAncillary('recvWithAncillaryInto');
  }
}

/**
 * The base of custom transports that only send: a subclass writes `sendAll`, and closes by `close`.
 * Control messages are an UnsupportedOperationError.
 *
 * @example
 * class Counter extends BaseStreamWriteTransport {
 *   bytes = 0;
 *   async sendAll(data) {
 *     await this.backend().coroYield(); // a checkpoint, like every send
 *     this.bytes += data.byteLength;
 *   }
 * }
 * await using counter = new Counter(backend);
 * await counter.sendAllFromIterable([Buffer.from('ab'), Buffer.from('c')]);
 * console.log(counter.bytes); // → 3
 */
export abstract class BaseStreamWriteTransport
  extends BaseTransport
  implements AsyncStreamWriteTransport
{
  abstract sendAll(data: Bytes): Promise<void>;

  /** One `sendAll`: of a single buffer as it is, of several joined in a copy. */
  async sendAllFromIterable(data: Iterable<Bytes>): Promise<void> {
    return this.sendAll(join(readBytes('data', data)));
  }

  /** Rejects with UnsupportedOperationError. No checkpoint. */
  sendAllWithAncillary(_data: Iterable<Bytes>, _ancillary: AncillaryData): Promise<void> {
    return noAncillary('sendAllWithAncillary');
  }
}

/**
 * The base of custom streams: a subclass writes `recvInto`, `sendAll` and `sendEof`. The rest is as
 * in `BaseStreamReadTransport` and `BaseStreamWriteTransport`.
 *
 * @example
 * class Counted extends BaseStreamTransport {
 *   received = 0;
 *   constructor(inner) {
 *     super(inner.backend(), [inner]); // its attributes are ours, and aclose() closes it
 *     this.inner = inner;
 *   }
 *   async recvInto(buffer) {
 *     const count = await this.inner.recvInto(buffer);
 *     this.received += count;
 *     return count;
 *   }
 *   sendAll(data) {
 *     return this.inner.sendAll(data);
 *   }
 *   sendEof() {
 *     return this.inner.sendEof();
 *   }
 * }
 * const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
 * const { port } = listener.extra(SocketAttribute.localAddress);
 * await backend.createTaskGroup().run(async (group) => {
 *   group.startSoon(() =>
 *     listener.serve((peer) => peer.sendAll(Buffer.from('hello')), {
 *       closeAfter: true,
 *       onPeerError: 'ignore',
 *     }),
 *   );
 *   const stream = new Counted(await backend.createTcpConnection('127.0.0.1', port));
 *   const data = await stream.recv(100);
 *   console.log(String(Buffer.from(data)), stream.received); // → hello 5
 *   await stream.aclose();
 *   group.cancelScope.cancel();
 * });
 * await listener.aclose();
 */
export abstract class BaseStreamTransport
  extends BaseStreamReadTransport
  implements AsyncStreamTransport
{
  abstract sendAll(data: Bytes): Promise<void>;
  abstract sendEof(): Promise<void>;

  /** One `sendAll`: of a single buffer as it is, of several joined in a copy. */
  async sendAllFromIterable(data: Iterable<Bytes>): Promise<void> {
    return this.sendAll(join(readBytes('data', data)));
  }

  /** Rejects with UnsupportedOperationError. No checkpoint. */
  sendAllWithAncillary(_data: Iterable<Bytes>, _ancillary: AncillaryData): Promise<void> {
    return noAncillary('sendAllWithAncillary');
  }
}

import type { AncillaryData } from '../contract/ancillary';
import type { Bytes } from '../contract/bytes';
import type {
  AsyncDatagramReadTransport,
  AsyncDatagramTransport,
  AsyncDatagramWriteTransport,
} from '../contract/transports';
import { bytesOf, checkBytes, lengthNow, readBytesList } from '../arguments/buffers';
import { checkInteger } from '../arguments/validate';
import { systemErrorNamed } from '../errors';
import { noAncillary, sendEach } from './base-defaults';
import { BaseTransport } from './base-transport';

const MAX_INT = 0x7fffffff;

/**
 * The base of custom datagram transports that only receive: a subclass writes `recv`, and closes by
 * `close`. Control messages are an UnsupportedOperationError.
 */
export abstract class BaseDatagramReadTransport
  extends BaseTransport
  implements AsyncDatagramReadTransport
{
  abstract recv(): Promise<Uint8Array>;

  /** Copies the result of `recv`. Cancellation is that of `recv`. */
  async recvInto(buffer: Bytes): Promise<number> {
    checkBytes('buffer', buffer);
    const data = await this.recv();
    if (data.length > lengthNow(buffer)) throw systemErrorNamed('EMSGSIZE', 'recvmsg');
    if (data.length > 0) bytesOf(buffer).set(data);
    return data.length;
  }

  /** One datagram, by `recv`. */
  async recvMany(max: number): Promise<Uint8Array[]> {
    checkInteger('max', max, 1, MAX_INT);
    return [await this.recv()];
  }

  /** Rejects with UnsupportedOperationError. No checkpoint. */
  recvWithAncillary(
    _ancillaryBufsize: number,
  ): Promise<{ data: Uint8Array; ancillary: AncillaryData }> {
    return noAncillary('recvWithAncillary');
  }
}

/**
 * The base of custom datagram transports that only send: a subclass writes `send`, and closes by
 * `close`. Control messages are an UnsupportedOperationError.
 */
export abstract class BaseDatagramWriteTransport
  extends BaseTransport
  implements AsyncDatagramWriteTransport
{
  abstract send(data: Bytes): Promise<void>;

  /** One `send` after the other. */
  async sendMany(packets: readonly Bytes[]): Promise<void> {
    return sendEach(this, readBytesList('packets', packets));
  }

  /** Rejects with UnsupportedOperationError. No checkpoint. */
  sendWithAncillary(_data: Bytes, _ancillary: AncillaryData): Promise<void> {
    return noAncillary('sendWithAncillary');
  }
}

/**
 * The base of custom datagram transports: a subclass writes `recv` and `send`. The rest is as in
 * `BaseDatagramReadTransport` and `BaseDatagramWriteTransport`.
 *
 * @example
 * class Loopback extends BaseDatagramTransport {
 *   packets = [];
 *   constructor(backend) {
 *     super(backend);
 *     this.arrival = backend.createConditionVar();
 *   }
 *   recv() {
 *     return this.arrival.runExclusive(async () => {
 *       while (this.packets.length === 0) await this.arrival.wait();
 *       return this.packets.shift();
 *     });
 *   }
 *   send(data) {
 *     return this.arrival.runExclusive(() => {
 *       this.packets.push(Uint8Array.from(data));
 *       this.arrival.notify();
 *     });
 *   }
 * }
 * await using loopback = new Loopback(backend);
 * await loopback.sendMany([Buffer.from('a'), Buffer.from('bc')]);
 * console.log(await loopback.recv(), await loopback.recvInto(Buffer.alloc(5)));
 * // → Uint8Array(1) [ 97 ] 2
 */
export abstract class BaseDatagramTransport
  extends BaseDatagramReadTransport
  implements AsyncDatagramTransport
{
  abstract send(data: Bytes): Promise<void>;

  /** One `send` after the other. */
  async sendMany(packets: readonly Bytes[]): Promise<void> {
    return sendEach(this, readBytesList('packets', packets));
  }

  /** Rejects with UnsupportedOperationError. No checkpoint. */
  sendWithAncillary(_data: Bytes, _ancillary: AncillaryData): Promise<void> {
    return noAncillary('sendWithAncillary');
  }
}

import type { AncillaryData } from '../contract/ancillary';
import type { Bytes } from '../contract/bytes';
import type {
  AsyncBaseTransport,
  AsyncDatagramReadTransport,
  AsyncDatagramTransport,
  AsyncDatagramWriteTransport,
  AsyncStreamReadTransport,
  AsyncStreamTransport,
  AsyncStreamWriteTransport,
} from '../contract/transports';
import { InvalidStateError, type UnsupportedOperationError } from '../errors';
import { BaseTransport } from './base-transport';

/**
 * What stapled transports have in common: they close the sending part, then the receiving part, and
 * have the attributes of both; of two, the receiving part's.
 */
abstract class StapledTransport<
  S extends AsyncBaseTransport,
  R extends AsyncBaseTransport,
> extends BaseTransport {
  readonly sendTransport: S;
  readonly receiveTransport: R;

  /** @throws InvalidStateError if the parts are of different backends */
  constructor(sendTransport: S, receiveTransport: R) {
    if (sendTransport.backend() !== receiveTransport.backend()) {
      throw new InvalidStateError(
        'transport backend inconsistency: both parts must be made by one backend',
      );
    }
    super(sendTransport.backend(), [receiveTransport, sendTransport]);
    this.sendTransport = sendTransport;
    this.receiveTransport = receiveTransport;
  }
}

/**
 * One stream made of two transports: it sends through one and receives through the other. It owns
 * both. Cancellation is that of the part that works.
 */
export class StapledStreamTransport
  extends StapledTransport<AsyncStreamWriteTransport, AsyncStreamReadTransport>
  implements AsyncStreamTransport
{
  recv(bufsize: number): Promise<Uint8Array> {
    return this.receiveTransport.recv(bufsize);
  }

  recvInto(buffer: Bytes): Promise<number> {
    return this.receiveTransport.recvInto(buffer);
  }

  recvIntoMany(buffers: readonly Bytes[]): Promise<number> {
    return this.receiveTransport.recvIntoMany(buffers);
  }

  recvWithAncillary(
    bufsize: number,
    ancillaryBufsize: number,
  ): Promise<{ data: Uint8Array; ancillary: AncillaryData }> {
    return this.receiveTransport.recvWithAncillary(bufsize, ancillaryBufsize);
  }

  recvWithAncillaryInto(
    buffer: Bytes,
    ancillaryBufsize: number,
  ): Promise<{ bytes: number; ancillary: AncillaryData }> {
    return this.receiveTransport.recvWithAncillaryInto(buffer, ancillaryBufsize);
  }

  sendAll(data: Bytes): Promise<void> {
    return this.sendTransport.sendAll(data);
  }

  sendAllFromIterable(data: Iterable<Bytes>): Promise<void> {
    return this.sendTransport.sendAllFromIterable(data);
  }

  sendAllWithAncillary(data: Iterable<Bytes>, ancillary: AncillaryData): Promise<void> {
    return this.sendTransport.sendAllWithAncillary(data, ancillary);
  }

  /**
   * Calls `sendEof` of the sending part. A sending part without it, or where it is not supported,
   * is closed instead.
   */
  async sendEof(): Promise<void> {
    const { sendTransport } = this;
    if (isFullDuplex(sendTransport)) {
      try {
        await sendTransport.sendEof();
        return;
      } catch (error) {
        // By its code: a transport may come from another copy of this package.
        const { code } = (error ?? {}) as Partial<UnsupportedOperationError>;
        if (code !== 'ERR_UNSUPPORTED_OPERATION') throw error;
      }
    }
    await sendTransport.aclose();
  }
}

function isFullDuplex(transport: AsyncStreamWriteTransport): transport is AsyncStreamTransport {
  return typeof (transport as Partial<AsyncStreamTransport>).sendEof === 'function';
}

/**
 * One datagram transport made of two: it sends through one and receives through the other. It owns
 * both. Cancellation is that of the part that works.
 */
export class StapledDatagramTransport
  extends StapledTransport<AsyncDatagramWriteTransport, AsyncDatagramReadTransport>
  implements AsyncDatagramTransport
{
  recv(): Promise<Uint8Array> {
    return this.receiveTransport.recv();
  }

  recvInto(buffer: Bytes): Promise<number> {
    return this.receiveTransport.recvInto(buffer);
  }

  recvWithAncillary(
    ancillaryBufsize: number,
  ): Promise<{ data: Uint8Array; ancillary: AncillaryData }> {
    return this.receiveTransport.recvWithAncillary(ancillaryBufsize);
  }

  recvMany(max: number): Promise<Uint8Array[]> {
    return this.receiveTransport.recvMany(max);
  }

  send(data: Bytes): Promise<void> {
    return this.sendTransport.send(data);
  }

  sendWithAncillary(data: Bytes, ancillary: AncillaryData): Promise<void> {
    return this.sendTransport.sendWithAncillary(data, ancillary);
  }

  sendMany(packets: readonly Bytes[]): Promise<void> {
    return this.sendTransport.sendMany(packets);
  }
}

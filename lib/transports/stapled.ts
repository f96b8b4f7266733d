import type { AncillaryData } from '../contract/ancillary';
import type { TypedAttribute } from '../contract/attributes';
import type { AsyncBackend } from '../contract/backend';
import { InvalidStateError, UnsupportedOperationError } from '../errors';
import type { Bytes } from '../contract/bytes';
import { acloseForcefully } from './aclose-forcefully';
import type {
  AsyncBaseTransport,
  AsyncDatagramReadTransport,
  AsyncDatagramTransport,
  AsyncDatagramWriteTransport,
  AsyncStreamReadTransport,
  AsyncStreamTransport,
  AsyncStreamWriteTransport,
} from '../contract/transports';

/**
 * What stapled transports do alike: they close both parts, and answer with the attributes of both.
 */
abstract class StapledTransport<
  S extends AsyncBaseTransport,
  R extends AsyncBaseTransport,
> implements AsyncBaseTransport {
  readonly sendTransport: S;
  readonly receiveTransport: R;

  /** @throws InvalidStateError if the parts are of different backends */
  constructor(sendTransport: S, receiveTransport: R) {
    if (sendTransport.backend() !== receiveTransport.backend()) {
      throw new InvalidStateError(
        'transport backend inconsistency: both parts must be made by one backend',
      );
    }
    this.sendTransport = sendTransport;
    this.receiveTransport = receiveTransport;
  }

  /**
   * Closes the sending part, then the receiving part. If the first fails or is cancelled, the other
   * is closed all the same, forcefully, and the error goes on.
   */
  async aclose(): Promise<void> {
    try {
      await this.sendTransport.aclose();
    } catch (error) {
      await acloseForcefully(this.receiveTransport);
      throw error;
    }
    await this.receiveTransport.aclose();
  }

  /** True if both parts are. */
  isClosing(): boolean {
    return this.sendTransport.isClosing() && this.receiveTransport.isClosing();
  }

  backend(): AsyncBackend {
    return this.sendTransport.backend();
  }

  /** The receiving part's attribute, or else the sending part's. */
  extra<T>(attribute: TypedAttribute<T>, fallback?: T): T {
    const missing = {} as T;
    const received = this.receiveTransport.extra(attribute, missing);
    return received === missing ? this.sendTransport.extra(attribute, fallback) : received;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.aclose();
  }
}

/**
 * One stream made of two halves: sends through one transport, receives through the other. It owns
 * both.
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

  /** The sending part's. */
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
   * The end of the stream, by the sending part's `sendEof`; one that has none, or cannot, is closed
   * instead.
   */
  async sendEof(): Promise<void> {
    const { sendTransport } = this;
    if (isFullDuplex(sendTransport)) {
      try {
        await sendTransport.sendEof();
        return;
      } catch (error) {
        if (!(error instanceof UnsupportedOperationError)) throw error;
      }
    }
    await sendTransport.aclose();
  }
}

function isFullDuplex(transport: AsyncStreamWriteTransport): transport is AsyncStreamTransport {
  return typeof (transport as Partial<AsyncStreamTransport>).sendEof === 'function';
}

/** One datagram transport made of two halves. It owns both. */
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

  /** The sending part's. */
  sendWithAncillary(data: Bytes, ancillary: AncillaryData): Promise<void> {
    return this.sendTransport.sendWithAncillary(data, ancillary);
  }

  sendMany(packets: readonly Bytes[]): Promise<void> {
    return this.sendTransport.sendMany(packets);
  }
}

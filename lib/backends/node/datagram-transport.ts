import type { Socket } from 'node:dgram';
import { checkBytes, readBytesList } from '../../arguments/buffers';
import { checkInteger } from '../../arguments/validate';
import type { AncillaryData } from '../../contract/ancillary';
import type { TypedAttribute } from '../../contract/attributes';
import type { AsyncBackend } from '../../contract/backend';
import type { Bytes } from '../../contract/bytes';
import type { AsyncDatagramTransport } from '../../contract/transports';
import { CancelledError, isError, systemErrorNamed } from '../../errors';
import { type AttributeGetters, SocketAttribute } from '../../transports/attributes';
import { throwIfCancelled } from '../../waiting/context';
import { inTurn, rejected } from '../../waiting/operation';
import { inetAddress } from './address';
import { bytesOf } from './byte-queue';
import { closerOf, DatagramPort, type PortOwner } from './datagram-port';
import { AF_INET, AF_INET6, noAncillary } from './platform';
import { closedMeanwhile, NodeTransport } from './transport';
import { closeWhenCollected } from './unclosed';

/**
 * A connected dgram.Socket. A send that has begun cannot be cancelled. It ends at once, or as soon
 * as the network takes the datagram.
 */
export class NodeDatagramTransport
  extends NodeTransport
  implements AsyncDatagramTransport, PortOwner
{
  readonly #port: DatagramPort;
  /** An error of an earlier datagram, which the next call rejects with. */
  #error: Error | null = null;
  /** Calls of `sendMany` under way. */
  #batches = 0;

  /** Takes ownership of a connected socket. @internal */
  constructor(backend: AsyncBackend, socket: Socket) {
    super(backend, {
      kind: 'datagram socket',
      isReady: () => this.#error !== null || this.#port.hasWaiting,
      wanted: () => undefined,
    });
    this.#port = new DatagramPort(socket, this.link);
    closeWhenCollected(this, 'A datagram transport', closerOf(this.#port));
  }

  recv(): Promise<Uint8Array> {
    return this.receive('recv', () => this.#take());
  }

  async recvInto(buffer: Bytes): Promise<number> {
    checkBytes('buffer', buffer);
    const { byteLength } = buffer;
    return this.receive('recvInto', () => {
      // A buffer that was detached while the call waited must not swallow a datagram.
      if (buffer.byteLength < byteLength) checkBytes('buffer', buffer);
      const data = this.#take();
      if (data.length > buffer.byteLength) throw systemErrorNamed('EMSGSIZE', 'recvmsg');
      bytesOf(buffer).set(data);
      return data.length;
    });
  }

  /** Rejects with UnsupportedOperationError. No checkpoint. */
  recvWithAncillary(): Promise<{ data: Uint8Array; ancillary: AncillaryData }> {
    return noAncillary('recvWithAncillary');
  }

  async recvMany(max: number): Promise<Uint8Array[]> {
    checkInteger('max', max, 1, 0x7fffffff);
    return this.receive('recvMany', () => {
      const packets = [this.#take()];
      while (packets.length < max && this.#port.hasWaiting) packets.push(this.#port.take().data);
      return packets;
    });
  }

  /** Not an async function, which would add a promise and three microtasks to each datagram. */
  send(data: Bytes): Promise<void> {
    try {
      checkBytes('data', data);
      this.#begin('send');
    } catch (error) {
      return rejected(error);
    }
    return this.#port.send(data);
  }

  /** Rejects with UnsupportedOperationError. No checkpoint. */
  sendWithAncillary(): Promise<void> {
    return noAncillary('sendWithAncillary');
  }

  sendMany(packets: readonly Bytes[]): Promise<void> {
    return inTurn(this.#sendAll(packets));
  }

  async #sendAll(packets: readonly Bytes[]): Promise<void> {
    const all = readBytesList('packets', packets);
    this.#begin('sendMany');
    let packetsSent = 0;
    this.#batches++;
    try {
      for (const packet of all) {
        if (packetsSent > 0) this.#continueBatch();
        checkBytes('packets[]', packet);
        await this.#port.send(packet);
        packetsSent++;
      }
    } catch (error) {
      throw withPacketsSent(error, packetsSent);
    } finally {
      this.#batches--;
      this.sendEnded();
    }
  }

  /** @internal */
  messageArrived(): void {
    this.serveReader();
  }

  /** @internal */
  errorArrived(error: Error): void {
    this.#error = error;
    this.serveReader();
  }

  /** @internal */
  lastSendEnded(): void {
    this.sendEnded();
  }

  protected override destroy(): void {
    this.#port.close();
  }

  protected override isSending(): boolean {
    return this.#port.isSending || this.#batches > 0;
  }

  protected override attributes(): AttributeGetters {
    const { socket } = this.#port;
    return new Map<TypedAttribute<unknown>, () => unknown>([
      [SocketAttribute.family, () => (socket.address().family === 'IPv6' ? AF_INET6 : AF_INET)],
      [
        SocketAttribute.localAddress,
        () => inetAddress(socket.address().address, socket.address().port),
      ],
      [
        SocketAttribute.remoteAddress,
        () => inetAddress(socket.remoteAddress().address, socket.remoteAddress().port),
      ],
    ]);
  }

  /** @throws the error of an earlier datagram, if there is one, once */
  #take(): Uint8Array {
    this.#throwReported();
    return this.#port.take().data;
  }

  #begin(method: string): void {
    throwIfCancelled();
    const usageError = this.closedError(method);
    if (usageError !== null) throw usageError;
    this.#throwReported();
  }

  /** Before each further datagram of a batch. A graceful close lets the batch go on. */
  #continueBatch(): void {
    throwIfCancelled();
    if (this.isClosed) throw closedMeanwhile();
    this.#throwReported();
  }

  #throwReported(): void {
    const error = this.#error;
    this.#error = null;
    if (error !== null) throw error;
  }
}

/** The scope's error is shared by many operations: the count is of this one alone. */
function withPacketsSent(error: unknown, packetsSent: number): unknown {
  if (error instanceof CancelledError)
    return Object.assign(new CancelledError(error.message, { cause: error }), { packetsSent });
  return isError(error) ? Object.assign(error, { packetsSent }) : error;
}

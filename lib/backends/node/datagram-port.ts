import type { Socket } from 'node:dgram';
import type { InetAddress } from '../../contract/addresses';
import type { Bytes } from '../../contract/bytes';
import { rejected, resolved } from '../../waiting/operation';
import { spend } from '../../waiting/turn-budget';
import { hostText, inetAddress } from './address';
import { bytesOf } from './byte-queue';
import type { Link } from './link';
import { closedMeanwhile } from './transport';

/** A datagram and its sender. Nothing overwrites its memory later. */
export interface Datagram {
  readonly data: Uint8Array;
  readonly address: InetAddress;
}

/**
 * Bytes of datagrams that may wait for a reader. A dgram.Socket cannot be paused, so further
 * datagrams are dropped, as the kernel drops those that its receive buffer has no room for.
 */
const MAX_WAITING_BYTES = 2_097_152;
/** The memory of a datagram beside its data: so 8,192 datagrams may wait at most. */
const OVERHEAD_BYTES = 256;

/** What a port calls: a transport or a listener. */
export interface PortOwner {
  /** A datagram has arrived. */
  messageArrived(): void;
  /** The network has reported an error for an earlier datagram. */
  errorArrived(error: NodeJS.ErrnoException): void;
  /** The last send under way has ended. */
  lastSendEnded(): void;
  /** Other code has closed the socket. */
  closeNow(): void;
}

/** A bound dgram.Socket, its received datagrams, and its sends under way. */
export class DatagramPort {
  readonly socket: Socket;
  readonly #waiting: Datagram[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  #sending = 0;
  #isClosed = false;
  readonly #link: Link<PortOwner>;

  /** Takes ownership of a socket. */
  constructor(socket: Socket, link: Link<PortOwner>) {
    this.socket = socket;
    this.#link = link;
    socket.on('message', (data, { address, port }) => {
      const cost = data.length + OVERHEAD_BYTES;
      if (this.#isClosed) return;
      if (this.#waitingBytes + cost > MAX_WAITING_BYTES) {
        this.#dropped++;
        return;
      }
      this.#waitingBytes += cost;
      this.#waiting.push({
        data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
        address: inetAddress(address, port),
      });
      link.target?.messageArrived();
    });
    socket.on('error', (error) => link.target?.errorArrived(error));
    socket.on('close', () => {
      if (!this.#isClosed) link.target?.closeNow();
    });
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Datagrams that were dropped because too many waited for a reader. */
  get droppedCount(): number {
    return this.#dropped;
  }

  get isSending(): boolean {
    return this.#sending > 0;
  }

  /** The datagram that arrived first. It stays. */
  first(): Datagram | undefined {
    return this.#waiting[0];
  }

  /** Takes the datagram that arrived first. There must be one. */
  take(): Datagram {
    const datagram = this.#waiting.shift() as Datagram;
    this.#waitingBytes -= datagram.data.length + OVERHEAD_BYTES;
    return datagram;
  }

  /**
   * Sends one datagram, to `to` or to the peer. A send cannot be cancelled: libuv has the datagram
   * at once, and UDP does not wait for the peer.
   */
  send(data: Bytes, to?: InetAddress): Promise<void> {
    // The owner is not collected while the send is under way.
    const owner = this.#link.target;
    return new Promise((resolve) => {
      const ended = (error: Error | null): void => {
        this.#sending--;
        if (error !== null) resolve(rejected(this.#isClosed ? closedMeanwhile() : error));
        else resolve(spend() ? undefined : resolved(undefined));
        if (this.#sending === 0) owner?.lastSendEnded();
      };
      const bytes = bytesOf(data);
      if (to === undefined) this.socket.send(bytes, ended);
      else this.socket.send(bytes, to.port, hostText(to), ended);
      // After the call: if it throws, nothing is under way.
      this.#sending++;
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    try {
      this.socket.close();
    } catch (error) {
      // Other code has closed it before.
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SOCKET_DGRAM_NOT_RUNNING') throw error;
    }
  }
}

/** Closes a port, without a reference to its owner. */
export function closerOf(port: DatagramPort): () => void {
  return () => {
    port.close();
  };
}

import type { Socket } from 'node:dgram';
import type { InetAddress } from '../../contract/addresses';
import type { Bytes } from '../../contract/bytes';
import { defer, spend } from '../../waiting/turn-budget';
import { hostText, inetAddress } from './address';
import { bytesOf } from './byte-queue';
import { closedMeanwhile } from './transport';

/** A datagram and its sender, in memory of its own. */
export interface Datagram {
  readonly data: Uint8Array;
  readonly address: InetAddress;
}

/**
 * Bytes of datagrams that may wait for a reader. Dgram cannot be paused, so what comes beyond that
 * is dropped, as the kernel drops what its receive buffer has no room for.
 */
const MAX_WAITING_BYTES = 2_097_152;
/** What a datagram costs beside its data. */
const OVERHEAD_BYTES = 256;

/** A bound dgram.Socket: what has come, and what is on its way out. */
export class DatagramPort {
  readonly socket: Socket;
  readonly #waiting: Datagram[] = [];
  #waitingBytes = 0;
  #sending = 0;
  #isClosed = false;
  readonly #onSendEnd: () => void;

  /**
   * Takes over a socket.
   * @param onMessage something has come
   * @param onError the network has reported an error for what was sent before
   * @param onSendEnd nothing is on its way out any more
   * @param onClose somebody else closed the socket
   */
  constructor(
    socket: Socket,
    callbacks: {
      readonly onMessage: () => void;
      readonly onError: (error: NodeJS.ErrnoException) => void;
      readonly onSendEnd: () => void;
      readonly onClose: () => void;
    },
  ) {
    this.socket = socket;
    this.#onSendEnd = callbacks.onSendEnd;
    socket.on('message', (data, { address, port }) => {
      const cost = data.length + OVERHEAD_BYTES;
      if (this.#isClosed || this.#waitingBytes + cost > MAX_WAITING_BYTES) return;
      this.#waitingBytes += cost;
      this.#waiting.push({
        data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
        address: inetAddress(address, port),
      });
      callbacks.onMessage();
    });
    socket.on('error', callbacks.onError);
    socket.on('close', () => {
      if (!this.#isClosed) callbacks.onClose();
    });
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  get isSending(): boolean {
    return this.#sending > 0;
  }

  /** The one that came first; it stays. */
  first(): Datagram | undefined {
    return this.#waiting[0];
  }

  /** The one that came first. There must be one. */
  take(): Datagram {
    const datagram = this.#waiting.shift() as Datagram;
    this.#waitingBytes -= datagram.data.length + OVERHEAD_BYTES;
    return datagram;
  }

  /**
   * Sends one datagram, to `to` or to the peer. Not to be cancelled: it is libuv's at once, and UDP
   * does not keep it waiting.
   */
  send(data: Bytes, to?: InetAddress): Promise<void> {
    return new Promise((resolve, reject) => {
      const ended = (error: Error | null): void => {
        this.#sending--;
        if (error === null && spend()) resolve();
        else if (error === null) defer({ resume: resolve });
        else reject(this.#isClosed ? closedMeanwhile() : error);
        if (this.#sending === 0) this.#onSendEnd();
      };
      const bytes = bytesOf(data);
      if (to === undefined) this.socket.send(bytes, ended);
      else this.socket.send(bytes, to.port, hostText(to), ended);
      // After the call, which throws for what it does not like.
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
      // Somebody else closed it before.
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SOCKET_DGRAM_NOT_RUNNING') throw error;
    }
  }
}

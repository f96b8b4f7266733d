import type { Socket } from 'node:net';
import {
  checkBytes,
  isFilledBytes,
  lengthNow,
  readBytes,
  readBytesList,
  totalLength,
} from '../../arguments/buffers';
import { checkInteger, invalidArgument } from '../../arguments/validate';
import type { AncillaryData } from '../../contract/ancillary';
import type { AsyncBackend } from '../../contract/backend';
import type { Bytes } from '../../contract/bytes';
import type { AsyncStreamTransport } from '../../contract/transports';
import { InvalidStateError } from '../../errors';
import type { AttributeGetters } from '../../transports/attributes';
import { currentScope } from '../../waiting/context';
import { cancelled, inTurn, isCancelled, rejected, resolved } from '../../waiting/operation';
import { ByteQueue, bytesOf } from './byte-queue';
import { type Inbox, Receive } from './inbox';
import { noAncillary } from './platform';
import { LingeringClose } from './lingering-close';
import type { Link } from './link';
import { endOfStream } from './lost-reset';
import { StreamSender } from './stream-sender';
import { NodeTransport } from './transport';
import { closeWhenCollected } from './unclosed';

const MAX_INT = 0x7fffffff;
const EMPTY = new Uint8Array(0);

/**
 * Bytes of memory that may wait for a receive. Above that the socket is paused, and soon the peer
 * must wait. The net.Socket holds about as much again.
 */
const HIGH_WATER_BYTES = 131_072;
const LOW_WATER_BYTES = 32_768;

/** A receive with the caller's buffer: bytes can go there without being queued first. */
class ReceiveInto extends Receive<number> {
  readonly buffer: Uint8Array;
  readonly #takeInto: (buffer: Uint8Array) => number;

  constructor(inbox: Inbox, buffer: Uint8Array, takeInto: (buffer: Uint8Array) => number) {
    super(inbox);
    this.buffer = buffer;
    this.#takeInto = takeInto;
  }

  protected take(): number {
    return this.#takeInto(this.buffer);
  }
}

/**
 * A connected net.Socket: TCP, or a Unix stream.
 *
 * From the first receive on, the transport reads from the socket, somewhat ahead of its readers.
 * Bytes that no receive has taken (because it was cancelled, for instance) wait for the next one.
 *
 * node:net closes a socket whose send fails. What the kernel had unread is then lost, and receives
 * reject with the error of the send, also if the peer has ended its stream (EPIPE).
 *
 * node:net does not tell what the peer has acknowledged. `aclose` takes it that everything has
 * arrived 250 ms after the last send.
 */
export class NodeStreamTransport extends NodeTransport implements AsyncStreamTransport {
  readonly #socket: Socket;
  readonly #attributes: AttributeGetters;
  readonly #incoming = new ByteQueue();
  readonly #sender: StreamSender;
  /** The peer has ended its side of the stream. */
  #hasEnded: boolean;
  /** The error that receives reject with, after all bytes that came before it were taken. */
  #error: Error | null = null;
  /** A graceful close that waits. */
  #closing: LingeringClose | null = null;

  /**
   * Takes ownership of a connected socket that is paused and allows half-open connections.
   * @internal
   */
  constructor(backend: AsyncBackend, socket: Socket, attributes: AttributeGetters) {
    super(backend, {
      kind: 'stream',
      isReady: () => this.#isReady(),
      wanted: () => {
        if (socket.isPaused()) socket.resume();
      },
    });
    this.#socket = socket;
    this.#attributes = attributes;
    // The previous owner of the net.Socket may have read its end.
    this.#hasEnded = socket.readableEnded;
    this.#sender = new StreamSender(
      socket,
      () => {
        // A receive that waits rejects later, in the 'close' event: its own scope may be the one
        // that is being cancelled.
        this.#error ??= new InvalidStateError(
          'A send was cancelled half-way: only aclose() is left',
        );
        socket.destroy();
      },
      () => {
        this.sendEnded();
      },
    );
    NodeStreamTransport.#listen(socket, this.link);
    closeWhenCollected(this, 'A stream transport', closerOf(socket));
  }

  /**
   * Not an async function, which would add a promise and three microtasks. The same holds for
   * recvInto and sendAll.
   */
  recv(bufsize: number): Promise<Uint8Array> {
    try {
      checkInteger('bufsize', bufsize, 0, MAX_INT);
    } catch (error) {
      return Promise.reject(error);
    }
    if (bufsize === 0) return this.#nothing('recv', EMPTY);
    return this.receive('recv', () => {
      this.#checkLost();
      const data = this.#incoming.take(bufsize);
      this.#taken();
      return data;
    });
  }

  recvInto(buffer: Bytes): Promise<number> {
    if (!isFilledBytes(buffer)) return this.#recvIntoSpecial(buffer);
    if (this.#isReady()) return this.receive('recvInto', () => this.#takeInto(buffer));
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    const usageError = this.receiveError('recvInto');
    return usageError === null
      ? this.inbox.wait(scope, new ReceiveInto(this.inbox, buffer, this.#takeInto))
      : rejected(usageError);
  }

  async recvIntoMany(buffers: readonly Bytes[]): Promise<number> {
    const views = readBytesList('buffers', buffers);
    if (totalLength(views) === 0) return this.#nothing('recvIntoMany', 0);
    return this.receive('recvIntoMany', () => this.#takeIntoMany(views));
  }

  /** Rejects with UnsupportedOperationError. No checkpoint. */
  recvWithAncillary(): Promise<{ data: Uint8Array; ancillary: AncillaryData }> {
    return noAncillary('recvWithAncillary');
  }

  /** Rejects with UnsupportedOperationError. No checkpoint. */
  recvWithAncillaryInto(): Promise<{ bytes: number; ancillary: AncillaryData }> {
    return noAncillary('recvWithAncillaryInto');
  }

  /**
   * **Cancellation.** node:net cannot take back what it has queued. A send that is cancelled before
   * the kernel took all of it drops the rest and ends the connection, also if nothing was taken
   * yet: `bytesSent` of the CancelledError is then 0. Bytes that had arrived by then can still be
   * received.
   */
  sendAll(data: Bytes): Promise<void> {
    if (!isFilledBytes(data)) return this.#sendSpecial(data);
    const size = lengthNow(data);
    // node:net reads the properties of the view, which may have been replaced.
    const bytes =
      data.byteLength === size ? data : Uint8Array.prototype.subarray.call(data, 0, size);
    return this.#send('sendAll', bytes, size);
  }

  /** **Cancellation.** As `sendAll`. */
  async sendAllFromIterable(data: Iterable<Bytes>): Promise<void> {
    const filled = readBytes('data', data).map(bytesOf).filter(isFilledBytes);
    return this.#send('sendAllFromIterable', filled, totalLength(filled));
  }

  /** Rejects with UnsupportedOperationError. No checkpoint. */
  sendAllWithAncillary(): Promise<void> {
    return noAncillary('sendAllWithAncillary');
  }

  async sendEof(): Promise<void> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    if (this.isClosing()) return resolved(undefined);
    const usageError = this.#sender.usageError('sendEof');
    return usageError === null ? inTurn(this.#sender.end()) : rejected(usageError);
  }

  protected override lingers(): boolean {
    if (this.#closing !== null) return true;
    const socket = this.#socket;
    // The input has ended (or the connection is lost): nothing can be unread, nor arrive.
    // If nothing was sent, nothing can be lost.
    if (socket.destroyed || this.#hasEnded || this.#error !== null || socket.bytesWritten === 0)
      return false;
    void this.#sender.end();
    this.#incoming.clear();
    this.#closing = new LingeringClose(socket, this.#sender.sentAt, () => {
      this.closeNow();
    });
    return true;
  }

  protected override destroy(): void {
    this.#closing?.stop();
    this.#incoming.clear();
    this.#sender.close();
    this.#socket.destroy();
  }

  protected override isSending(): boolean {
    return this.#sender.isSending;
  }

  protected override attributes(): AttributeGetters {
    return this.#attributes;
  }

  /** `recvInto` for other views, for empty buffers, and for arguments that are not buffers. */
  async #recvIntoSpecial(buffer: Bytes): Promise<number> {
    checkBytes('buffer', buffer);
    return buffer.byteLength === 0 ? this.#nothing('recvInto', 0) : this.recvInto(bytesOf(buffer));
  }

  async #sendSpecial(data: Bytes): Promise<void> {
    checkBytes('data', data);
    return this.#send('sendAll', bytesOf(data), data.byteLength);
  }

  #send(method: string, data: Uint8Array | readonly Uint8Array[], total: number): Promise<void> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    const usageError = this.closedError(method) ?? this.#sender.usageError(method);
    return usageError === null ? this.#sender.send(scope, data, total) : rejected(usageError);
  }

  /**
   * Static, so that the socket does not refer to the transport. What happens to the socket of a
   * transport that was collected does not matter: the socket is about to be closed.
   */
  static #listen(socket: Socket, link: Link<NodeStreamTransport>): void {
    socket.on('data', (chunk: Uint8Array) => {
      const { target } = link;
      if (target !== undefined) target.#arrived(chunk);
    });
    socket.on('end', () => {
      const { target } = link;
      if (target !== undefined) target.#ended();
    });
    socket.on('error', (error) => {
      const { target } = link;
      if (target !== undefined) target.#fail(error);
    });
    socket.on('close', () => {
      const { target } = link;
      if (target !== undefined) target.#closed();
    });
  }

  #isReady(): boolean {
    return this.#incoming.length > 0 || this.#hasEnded || this.#error !== null;
  }

  #arrived(chunk: Uint8Array): void {
    if (this.isClosed || chunk.length === 0) return;
    if (this.#closing !== null) {
      this.#closing.discarded(chunk.length);
      return;
    }
    const { reader } = this.inbox;
    // The usual case needs no queue: a receive waits, and its buffer has room.
    if (
      reader instanceof ReceiveInto &&
      this.#incoming.length === 0 &&
      chunk.length <= reader.buffer.length
    ) {
      this.inbox.forget(reader);
      reader.buffer.set(chunk);
      reader.settle(chunk.length);
      return;
    }
    this.#incoming.push(chunk);
    this.serveReader();
    if (this.#incoming.weight >= HIGH_WATER_BYTES) this.#socket.pause();
  }

  #ended(): void {
    if (this.#closing !== null) {
      this.closeNow();
      return;
    }
    const error = endOfStream(this.#socket, (bytes) => {
      this.#incoming.push(bytes);
    });
    if (error === null) {
      this.#hasEnded = true;
      this.serveReader();
    } else {
      this.#fail(error);
    }
  }

  #closed(): void {
    // The connection is lost, or has ended on both sides, and its state says which. Else other code
    // that has the net.Socket has closed it.
    if (this.#error !== null) this.serveReader();
    else if (!this.#hasEnded || !this.#sender.hasEnded) this.closeNow();
  }

  #taken(): void {
    if (this.#incoming.weight <= LOW_WATER_BYTES && this.#socket.isPaused()) this.#socket.resume();
  }

  readonly #takeInto = (buffer: Uint8Array): number => {
    this.#checkLost();
    // A buffer that was detached while the call waited must not look like the end of the stream.
    if (buffer.length === 0)
      throw invalidArgument('buffer', 'left as it is until the promise settles', buffer);
    const count = this.#incoming.takeInto(buffer);
    this.#taken();
    return count;
  };

  #takeIntoMany(views: readonly Bytes[]): number {
    this.#checkLost();
    // A buffer that was detached while the call waited has no room. Without any room, the result 0
    // would look like the end of the stream.
    const targets = views.filter((view) => lengthNow(view) > 0);
    if (targets.length === 0)
      throw invalidArgument('buffers', 'left as they are until the promise settles', views);
    let count = 0;
    for (const view of targets) count += this.#incoming.takeInto(bytesOf(view));
    this.#taken();
    return count;
  }

  /** A receive of no bytes: a checkpoint that does not wait. */
  #nothing<T>(method: string, result: T): Promise<T> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    const usageError = this.receiveError(method);
    return usageError === null ? resolved(result) : rejected(usageError);
  }

  #checkLost(): void {
    if (this.#incoming.length === 0 && !this.#hasEnded && this.#error !== null) throw this.#error;
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#sender.fail(error);
    if (this.#closing === null) this.serveReader();
    else this.closeNow();
  }
}

/** Closes a socket, without a reference to its transport. */
function closerOf(socket: Socket): () => void {
  return () => {
    socket.destroy();
  };
}

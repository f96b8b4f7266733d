import type { Socket } from 'node:net';
import { types } from 'node:util';
import {
  CancelledError,
  type ClosedResourceError,
  InvalidStateError,
  systemErrorNamed,
} from '../../errors';
import { Operation, rejected, resolved } from '../../waiting/operation';
import { spend } from '../../waiting/turn-budget';
import { busy, closedMeanwhile } from './transport';
import type { WaitScope } from '../../waiting/wait-scope';

const DONE: Promise<void> = Promise.resolve();

/** A send that the kernel did not take whole at once. The rest is in libuv's queue. */
class Send extends Operation<void> {
  readonly #sender: StreamSender;
  readonly total: number;

  constructor(sender: StreamSender, total: number) {
    super();
    this.#sender = sender;
    this.total = total;
  }

  describe(): string {
    return 'send on a stream of the node backend';
  }

  /** The scope's error is shared by many operations: the count is of this one alone. */
  override cancel(reason: CancelledError): void {
    const bytesSent = this.#sender.bytesSent(this.total);
    super.cancel(
      Object.assign(new CancelledError(reason.message, { cause: reason }), { bytesSent }),
    );
  }

  protected withdraw(): void {
    this.#sender.cancelled();
  }
}

/**
 * The sending side of a stream.
 *
 * libuv has what was written. node:net cannot take it back, nor keep it from being sent later. So a
 * send that is cancelled before the kernel took all of it ends the connection: the rest is dropped,
 * and the caller's buffer is not read any more.
 */
export class StreamSender {
  readonly #socket: Socket;
  /** Called when a send was cancelled. */
  readonly #onBreak: () => void;
  /** Called when a send has ended. */
  readonly #onEnd: () => void;
  #current: Send | null = null;
  #ending: Promise<void> | null = null;
  #error: Error | null = null;
  /** When the last send was begun, by `performance.now()`. */
  sentAt = 0;
  /**
   * How many callbacks of writes are still to come. A send that ended at once also has its callback
   * later.
   */
  #callbacks = 0;
  readonly #onWritten = (error?: Error | null): void => {
    this.#callbacks--;
    // Callbacks come in order, and nothing else is written while a send is under way. So the last
    // callback is the one of the current send.
    if (this.#callbacks === 0 && this.#current !== null)
      this.#written(this.#current, error ?? null);
  };

  constructor(socket: Socket, onBreak: () => void, onEnd: () => void) {
    this.#socket = socket;
    this.#onBreak = onBreak;
    this.#onEnd = onEnd;
    // The previous owner of the net.Socket has half-closed it.
    if (socket.writableEnded) this.#ending = DONE;
  }

  get isSending(): boolean {
    return this.#current !== null;
  }

  get hasEnded(): boolean {
    return this.#ending !== null;
  }

  /** The error for a send that must not begin now; null if it may. */
  usageError(method: string): Error | null {
    if (this.#current !== null) return busy(method, 'sending');
    if (this.#error instanceof InvalidStateError) return endedHalfWay(method);
    return null;
  }

  /** Sends `data`, `total` bytes in one buffer or in several. */
  send(
    scope: WaitScope | undefined,
    data: Uint8Array | readonly Uint8Array[],
    total: number,
  ): Promise<void> {
    if (total === 0) return resolved(undefined);
    if (this.#error !== null) return rejected(this.#error);
    if (this.#ending !== null) return rejected(systemErrorNamed('EPIPE', 'write'));
    this.#callbacks++;
    this.sentAt = performance.now();
    this.#write(data);
    const socket = this.#socket;
    // The kernel has taken all of it within the call.
    if (socket.writableLength === 0 && socket.errored === null)
      return spend() ? DONE : resolved(undefined);
    const operation = new Send(this, total).enter(scope);
    this.#current = operation;
    return operation.promise;
  }

  /** Half-closes the connection, behind what was written before. */
  end(): Promise<void> {
    // The promise settles in any case: if the connection is lost or closed meanwhile, the callback
    // is called with an error.
    this.#ending ??= this.#error === null ? new Promise((resolve) => this.#socket.end(() => { resolve(); })) : DONE; // prettier-ignore
    return this.#ending;
  }

  /** How many bytes the kernel has taken of the send under way, of `total` bytes. */
  bytesSent(total: number): number {
    // An internal of node:net, for lack of another source: `bytesWritten` counts what libuv has
    // got. If the internal is missing, all bytes count as unsent.
    const { _handle: handle } = this.#socket as unknown as {
      readonly _handle?: { readonly writeQueueSize?: unknown } | null;
    };
    const left =
      typeof handle?.writeQueueSize === 'number'
        ? handle.writeQueueSize
        : this.#socket.writableLength;
    return Math.max(0, total - left);
  }

  /** The send under way was cancelled. */
  cancelled(): void {
    this.#current = null;
    this.#error = new InvalidStateError('A send was cancelled half-way: only aclose() is left');
    this.#onBreak();
    this.#onEnd();
  }

  /** The connection is lost: the send under way, and all later ones, reject with the reason. */
  fail(error: Error): void {
    this.#error ??= error;
    const operation = this.#current;
    if (operation !== null) this.#finish(operation, error);
  }

  /** The transport closes at once: the send under way rejects. */
  close(): void {
    const operation = this.#current;
    if (operation === null) return;
    const reason: ClosedResourceError = Object.assign(closedMeanwhile(), {
      bytesSent: this.bytesSent(operation.total),
    });
    this.#current = null;
    operation.fail(reason);
  }

  #write(data: Uint8Array | readonly Uint8Array[]): void {
    const socket = this.#socket;
    if (types.isUint8Array(data)) {
      socket.write(data, this.#onWritten);
      return;
    }
    const last = data.length - 1;
    // Corked buffers are sent by one writev(2).
    socket.cork();
    for (let i = 0; i < last; i++) socket.write(data[i] as Uint8Array);
    socket.write(data[last] as Uint8Array, this.#onWritten);
    socket.uncork();
  }

  #written(operation: Send, error: Error | null): void {
    // A destroyed socket calls back without an error. Its 'error' or 'close' event says how the
    // send ended.
    if (operation !== this.#current || (error === null && this.#socket.destroyed)) return;
    this.#finish(operation, error);
  }

  #finish(operation: Send, error: Error | null): void {
    this.#current = null;
    if (error === null) operation.settle();
    else operation.fail(this.#socket.errored ?? error);
    this.#onEnd();
  }
}

function endedHalfWay(method: string): InvalidStateError {
  return new InvalidStateError(
    `${method}() called after a send that was cancelled half-way: only aclose() is left`,
  );
}

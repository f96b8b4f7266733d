import type { Socket } from 'node:net';
import {
  CancelledError,
  type ClosedResourceError,
  InvalidStateError,
  systemErrorNamed,
} from '../../errors';
import { Operation, type WaitScope } from '../../waiting/operation';
import { defer, spend } from '../../waiting/turn-budget';
import { busy, closedMeanwhile } from './transport';

const DONE: Promise<void> = Promise.resolve();

/** A send that the kernel has not taken whole at once: the rest is in libuv's queue. */
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

  /** The scope's own error is one for many operations: how much went is this one's. */
  override cancel(reason: CancelledError): void {
    const bytesSent = this.#sender.bytesSent(this.total);
    super.cancel(
      Object.assign(new CancelledError(reason.message, { cause: reason }), { bytesSent }),
    );
  }

  protected withdraw(): void {
    this.#sender.breakOff();
  }
}

/**
 * The sending side of a stream.
 *
 * What was written is in libuv's hands, and net has no way to take it back, nor to keep it from
 * going out later. So a send that is cancelled before the kernel took all of it ends the
 * connection: the rest is dropped, and never read from the caller's buffer again.
 */
export class StreamSender {
  readonly #socket: Socket;
  /** A send was cancelled. */
  readonly #onBreak: () => void;
  readonly #onEnd: () => void;
  #current: Send | null = null;
  #ending: Promise<void> | null = null;
  #error: Error | null = null;
  /**
   * Of writes: how many callbacks are to come. That of a send which ended at once comes later all
   * the same.
   */
  #callbacks = 0;
  readonly #onWritten = (error?: Error | null): void => {
    this.#callbacks--;
    // Net calls back in order, and nothing is written while a send is under way: the last callback
    // is that one's.
    if (this.#callbacks === 0 && this.#current !== null)
      this.#written(this.#current, error ?? null);
  };

  constructor(socket: Socket, onBreak: () => void, onEnd: () => void) {
    this.#socket = socket;
    this.#onBreak = onBreak;
    this.#onEnd = onEnd;
    // Half-closed before, by whoever had the net.Socket.
    if (socket.writableEnded) this.#ending = DONE;
  }

  get isSending(): boolean {
    return this.#current !== null;
  }

  get hasEnded(): boolean {
    return this.#ending !== null;
  }

  /** Why nothing can be sent; null if it can. */
  refusal(method: string): Error | null {
    if (this.#current !== null) return busy(method, 'sending');
    if (this.#error instanceof InvalidStateError) return brokenOff(method);
    return null;
  }

  /** Sends `data`, `total` bytes in one buffer or in several. */
  send(
    scope: WaitScope | undefined,
    data: Uint8Array | readonly Uint8Array[],
    total: number,
  ): Promise<void> {
    if (total === 0) return DONE;
    if (this.#error !== null) return Promise.reject(this.#error);
    if (this.#ending !== null) return Promise.reject(systemErrorNamed('EPIPE', 'write'));
    this.#callbacks++;
    this.#write(data);
    const socket = this.#socket;
    // The kernel has taken it all, in this very call.
    if (socket.writableLength === 0 && socket.errored === null) return spend() ? DONE : nextTurn();
    const operation = new Send(this, total).enter(scope);
    this.#current = operation;
    return operation.promise;
  }

  /** Half-closes. What the kernel has is sent before. */
  end(): Promise<void> {
    // The promise settles in any case: net calls back with an error, too, if the connection is lost
    // or closed meanwhile.
    this.#ending ??= this.#error === null ? new Promise((resolve) => this.#socket.end(() => { resolve(); })) : DONE; // prettier-ignore
    return this.#ending;
  }

  /** Of a send of `total` bytes that is under way: how many the kernel has taken. */
  bytesSent(total: number): number {
    // Inside of net, but nothing else tells: `bytesWritten` counts what was handed to libuv. Where
    // it is missing, all of it is taken to be unsent.
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
  breakOff(): void {
    this.#current = null;
    this.#error = new InvalidStateError('A send was cancelled half-way: only aclose() is left');
    this.#onBreak();
    this.#onEnd();
  }

  /** The connection is lost: this and every further send rejects with its reason. */
  lose(error: Error): void {
    this.#error ??= error;
    const operation = this.#current;
    if (operation !== null) this.#finish(operation, error);
  }

  /** The transport is about to be closed abruptly. */
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
    if (data instanceof Uint8Array) {
      socket.write(data, this.#onWritten);
      return;
    }
    const last = data.length - 1;
    // Corked, they go in one writev(2).
    socket.cork();
    for (let i = 0; i < last; i++) socket.write(data[i] as Uint8Array);
    socket.write(data[last] as Uint8Array, this.#onWritten);
    socket.uncork();
  }

  #written(operation: Send, error: Error | null): void {
    // A socket that was destroyed calls back without an error: its 'error' or 'close' event tells
    // what became of the send.
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

function brokenOff(method: string): InvalidStateError {
  return new InvalidStateError(
    `${method}() called after a send that was cancelled half-way: only aclose() is left`,
  );
}

/** The turn's budget is spent: the send has ended, and its task goes on in the next turn. */
function nextTurn(): Promise<void> {
  return new Promise((resume) => {
    defer({ resume });
  });
}

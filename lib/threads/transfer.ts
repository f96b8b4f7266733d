/** By it one copy of the library knows what another copy has made. */
const MOVED = Symbol.for('sockscope.transferResult');

/** A result, and the parts of it that are moved to the calling thread instead of copied. */
export class Moved {
  readonly [MOVED] = true;
  readonly value: unknown;
  readonly transfer: readonly unknown[];

  constructor(value: unknown, transfer: readonly unknown[]) {
    this.value = value;
    this.transfer = transfer;
  }
}

/**
 * For the return statement of a function that `runInThread` or an AsyncExecutor runs: `return
 * transferResult(bytes, [bytes.buffer])`. The listed objects (ArrayBuffers, MessagePorts, …) are
 * moved to the calling thread instead of copied.
 *
 * **Ownership.** The calling thread owns the moved objects; the worker cannot use them any more.
 */
export function transferResult<R>(value: R, transfer: readonly unknown[]): R {
  return new Moved(value, transfer) as unknown as R;
}

/** Whether a value came out of `transferResult`, of this copy of the library or of another one. */
export function isMoved(value: unknown): value is Moved {
  return typeof value === 'object' && value !== null && MOVED in value;
}

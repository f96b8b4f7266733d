/** A result, and what of it changes threads instead of being copied. */
export class Moved {
  readonly value: unknown;
  readonly transfer: readonly unknown[];

  constructor(value: unknown, transfer: readonly unknown[]) {
    this.value = value;
    this.transfer = transfer;
  }
}

/**
 * For the return statement of a function that `runInThread` or an AsyncExecutor runs: `return
 * transferResult(bytes, [bytes.buffer])`. What is listed (ArrayBuffers, MessagePorts, …) is moved
 * to the calling thread instead of being copied.
 *
 * **Ownership.** What was moved is the caller's, and gone here.
 */
export function transferResult<R>(value: R, transfer: readonly unknown[]): R {
  return new Moved(value, transfer) as unknown as R;
}

import { CancelledError } from '#lib/errors';

/** How a call of the library ended. */
export type Settled<T = unknown> = { readonly value: T } | { readonly error: unknown };

export async function attempt<T>(fn: () => T | PromiseLike<T>): Promise<Settled<T>> {
  try {
    return { value: await fn() };
  } catch (error) {
    return { error };
  }
}

export function attemptNow<T>(fn: () => T): Settled<T> {
  try {
    return { value: fn() };
  } catch (error) {
    return { error };
  }
}

/**
 * The name of a value. Bodies return their names. A call without a value is `ok`, unless undefined
 * stands for the missing value of a body.
 */
export function describeValue(value: unknown, nothing: string): string {
  return Array.isArray(value) ? `[${value.join(', ')}]` : String(value ?? nothing);
}

export const isCancelled = (error: unknown): boolean =>
  error instanceof CancelledError || (error instanceof Error && error.name === 'AbortError');

/** The error that functions of Node.js reject with when their signal aborts. */
export function abortError(reason: unknown): Error {
  return Object.assign(new Error('The operation was aborted', { cause: reason }), {
    name: 'AbortError',
    code: 'ABORT_ERR',
  });
}

const made = new WeakSet<Error>();
/**
 * A new CancelledError with the cancellation in `error` as its cause. For an AbortError, or an
 * error that this function made, that is the cause of `error`, not `error` itself.
 */
export function becauseOf(error: unknown): CancelledError {
  const cause =
    error instanceof Error && (made.has(error) || error.name === 'AbortError')
      ? error.cause
      : error;
  const because = new CancelledError('', { cause });
  made.add(because);
  return because;
}

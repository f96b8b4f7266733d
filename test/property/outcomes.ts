import { CancelledError } from '#lib/errors';

/** How something of the library's ended. */
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
 * Bodies have their names as values; what has none is `ok`, but where undefined takes the place of
 * a body's value.
 */
export function describeValue(value: unknown, nothing: string): string {
  return Array.isArray(value) ? `[${value.join(', ')}]` : String(value ?? nothing);
}

export const isCancelled = (error: unknown): boolean =>
  error instanceof CancelledError || (error instanceof Error && error.name === 'AbortError');

/** As Node's own functions reject when the signal they were given aborts. */
export function abortError(reason: unknown): Error {
  return Object.assign(new Error('The operation was aborted', { cause: reason }), {
    name: 'AbortError',
    code: 'ABORT_ERR',
  });
}

const made = new WeakSet<Error>();
/**
 * A new CancelledError, whose cause is the one given: not one that was made here already, or an
 * AbortError, but theirs.
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

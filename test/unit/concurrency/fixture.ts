import { ConcurrencyBackend } from '#lib/concurrency/backend';
import { VirtualClock } from '#lib/testing/virtual-clock';

/** A backend on a virtual clock, which jumps: an hour of sleep takes no time. */
export function virtualBackend(): ConcurrencyBackend {
  return new ConcurrencyBackend({ clock: new VirtualClock() });
}

/** The reason of a rejection. Throws if the promise resolves. */
export async function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('It did not reject');
}

/** The errors of the AggregateError that a promise rejects with. */
export async function failures(running: Promise<unknown>): Promise<unknown[]> {
  const error = await rejection(running);
  if (!(error instanceof AggregateError))
    throw new Error('It is no AggregateError', { cause: error });
  return error.errors as unknown[];
}

/** What functions of Node.js reject with when their signal aborts. */
export function abortError(reason: unknown): Error {
  return Object.assign(new Error('The operation was aborted', { cause: reason }), {
    name: 'AbortError',
  });
}

/** A promise that a test settles by hand. */
export class Deferred<T = void> {
  resolve!: (value: T) => void;
  reject!: (reason: unknown) => void;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
}

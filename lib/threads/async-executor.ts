import type { RunInThreadOptions, ThreadFunction } from '../contract/threads';
import type { AsyncBackend } from '../contract/backend';
import { ClosedResourceError } from '../errors';
import { invalidArgument } from '../arguments/validate';
import { encodeCall } from './thread-function';
import { type ThreadJob, ThreadPool, type ThreadPoolOptions } from './thread-pool';

/**
 * A pool of threads of one's own. `await using executor = new AsyncExecutor(backend)` shuts it down
 * in the end.
 *
 * Its threads are made when they are needed, and keep no process alive while idle.
 */
export class AsyncExecutor implements AsyncDisposable {
  readonly #backend: AsyncBackend;
  readonly #pool: ThreadPool;

  /** @throws TypeError or RangeError for sizes and times that are none */
  constructor(backend: AsyncBackend, options: ThreadPoolOptions = {}) {
    if (typeof (backend as Partial<AsyncBackend> | undefined)?.bootstrap !== 'function')
      throw invalidArgument('backend', 'a backend', backend);
    this.#backend = backend;
    this.#pool = new ThreadPool(options);
  }

  /** The backend that it was made for. */
  backend(): AsyncBackend {
    return this.#backend;
  }

  /**
   * Runs an exported function in a thread of the pool: as `runInThread` of a backend. A checkpoint;
   * a call that is cancelled in the queue is not made.
   * @throws InvalidStateError, as a rejection, after shutdown
   */
  run<R = unknown>(
    fn: ThreadFunction,
    args: readonly unknown[] = [],
    options?: RunInThreadOptions,
  ): Promise<R> {
    return this.#pool.run<R>(fn, args, options);
  }

  /**
   * Calls a function once for each of `items` (its only argument): all calls are made, or queued,
   * when this returns. Iterate over the results, which come in order; each step is a checkpoint.
   * Where the iteration ends early, by `break`, a failure or a cancellation, calls that have not
   * begun are taken back, and the others end unheard.
   *
   * @throws InvalidStateError after shutdown
   *
   * @example
   * const executor = new AsyncExecutor(backend, { maxThreads: 2 });
   * const basename = { module: 'node:path', name: 'basename' };
   * for await (const name of executor.map(basename, ['/a/b', '/c/d'])) console.log(name); // → b
   * await executor.shutdown(); // → d
   */
  map<R = unknown>(fn: ThreadFunction, items: Iterable<unknown>): AsyncGenerator<R, void, void> {
    const calls = [...items].map((item) => encodeCall(fn, [item]));
    const jobs = calls.map((call) => this.#pool.submit<R>(call, [], false, undefined));
    // One that fails before the iteration comes to it, or after it has ended, is no unhandled
    // rejection.
    for (const { promise } of jobs) promise.catch(() => undefined);
    return this.#results(jobs);
  }

  async *#results<R>(jobs: readonly ThreadJob<R>[]): AsyncGenerator<R, void, void> {
    try {
      for (const { promise } of jobs) yield await this.#backend.waitFor(promise);
    } finally {
      for (const job of jobs)
        job.giveUp(new ClosedResourceError('The results of map() are no longer iterated over'));
    }
  }

  /**
   * No new calls. Calls in the queue are still made, or, with `cancelPending`, reject with
   * ClosedResourceError. Resolves when all have ended and the threads are gone. Idempotent. No
   * cancellation point.
   */
  shutdown(options: { readonly cancelPending?: boolean } = {}): Promise<void> {
    return this.#pool.close(options.cancelPending === true);
  }

  /** `shutdown()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }
}

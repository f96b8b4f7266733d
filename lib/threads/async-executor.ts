import type { RunInThreadOptions, ThreadFunction } from '../contract/threads';
import type { AsyncBackend } from '../contract/backend';
import { ClosedResourceError } from '../errors';
import { checkOptions, invalidArgument } from '../arguments/validate';
import { encodeCall } from './thread-function';
import { type ThreadJob, ThreadPool, type ThreadPoolOptions } from './thread-pool';

/**
 * A pool of worker threads. `await using executor = new AsyncExecutor(backend)` shuts it down in
 * the end.
 *
 * It starts threads when calls need them. Idle threads do not keep the process alive.
 */
export class AsyncExecutor implements AsyncDisposable {
  readonly #backend: AsyncBackend;
  readonly #pool: ThreadPool;

  /**
   * @throws TypeError if `backend` is not a backend; TypeError or RangeError for a size or a time
   *   that is not valid
   */
  constructor(backend: AsyncBackend, options: ThreadPoolOptions = {}) {
    if (typeof (backend as Partial<AsyncBackend> | undefined)?.bootstrap !== 'function')
      throw invalidArgument('backend', 'a backend', backend);
    this.#backend = backend;
    this.#pool = new ThreadPool(options);
  }

  /** The backend that the executor was created with. */
  backend(): AsyncBackend {
    return this.#backend;
  }

  /**
   * Runs an exported function in a thread of the pool, as `runInThread` of a backend does. A
   * checkpoint: a call that is cancelled in the queue is not made.
   * @throws InvalidStateError, as a rejection, after `shutdown()`
   */
  run<R = unknown>(
    fn: ThreadFunction,
    args: readonly unknown[] = [],
    options?: RunInThreadOptions,
  ): Promise<R> {
    return this.#pool.run<R>(fn, args, options);
  }

  /**
   * Calls a function once for each of `items`, with the item as its only argument. When `map`
   * returns, all calls run or are queued. Iterate over the results, which come in the order of the
   * items; each step is a checkpoint. If the iteration ends early (by `break`, a failure or a
   * cancellation), queued calls are not made, and results of running calls are dropped.
   *
   * @throws InvalidStateError after `shutdown()`
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
    // A call may fail before the iteration reaches it, or after the iteration has ended. Neither is
    // an unhandled rejection.
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
   * Refuses new calls. Queued calls are still made or, with `cancelPending`, reject with
   * ClosedResourceError. Resolves when all calls have ended and the threads are gone. Idempotent.
   * Not a checkpoint: a cancellation does not interrupt it.
   */
  async shutdown(options: { readonly cancelPending?: boolean } = {}): Promise<void> {
    checkOptions('options', options);
    return this.#pool.close(options.cancelPending === true);
  }

  /** `shutdown()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }
}

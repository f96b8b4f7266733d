import type { Awaitable, BootstrapOptions } from '../contract/tasks';
import type { PortalFunctions, RunInThreadOptions, ThreadFunction } from '../contract/threads';
import { ConcurrencyBackend, type ConcurrencyOptions } from '../concurrency/backend';
import { ThreadPool, type ThreadPoolOptions } from './thread-pool';
import { ThreadsPortal } from './threads-portal';

/** What a built-in backend can be given. */
export interface BackendOptions extends ConcurrencyOptions {
  /** The threads of `runInThread`. */
  readonly threads?: ThreadPoolOptions;
}

/**
 * The half of a backend that needs no sockets, with its threads. Both built-in backends extend it,
 * and a custom backend can. Its methods are those of `AsyncBackend`.
 */
export class ThreadedBackend extends ConcurrencyBackend {
  readonly #pool: ThreadPool;
  #bootstraps = 0;

  constructor(options: BackendOptions = {}) {
    super(options);
    this.#pool = new ThreadPool(options.threads);
  }

  override async bootstrap<R>(main: () => Awaitable<R>, options?: BootstrapOptions): Promise<R> {
    this.#bootstraps++;
    try {
      return await super.bootstrap(main, options);
    } finally {
      this.#bootstraps--;
      if (this.#bootstraps === 0) await this.#pool.end();
    }
  }

  /** As `AsyncBackend.runInThread`: a cancellation waits for the function, or abandons it. */
  runInThread<R = unknown>(
    fn: ThreadFunction,
    args: readonly unknown[] = [],
    options?: RunInThreadOptions,
  ): Promise<R> {
    return this.#pool.run<R>(fn, args, options);
  }

  /** As `AsyncBackend.createThreadsPortal`. */
  createThreadsPortal<F extends PortalFunctions>(functions: F): ThreadsPortal<F> {
    return new ThreadsPortal(this, functions);
  }
}

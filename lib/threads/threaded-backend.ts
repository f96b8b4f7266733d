import type { Awaitable } from '../concurrency/awaitable';
import type { BootstrapOptions } from '../concurrency/bootstrap';
import { ConcurrencyBackend, type ConcurrencyOptions } from '../concurrency/backend';
import type { ThreadFunction } from './thread-function';
import { type RunInThreadOptions, ThreadPool, type ThreadPoolOptions } from './thread-pool';
import { type PortalFunctions, ThreadsPortal } from './threads-portal';

/** What a built-in backend can be given. */
export interface BackendOptions extends ConcurrencyOptions {
  /** The threads of `runInThread`. */
  readonly threads?: ThreadPoolOptions;
}

/**
 * The half of a backend that has no sockets, with its threads. Both built-in backends extend it.
 */
export class ThreadedBackend extends ConcurrencyBackend {
  readonly #pool: ThreadPool;
  #bootstraps = 0;

  constructor(options: BackendOptions = {}) {
    super(options);
    this.#pool = new ThreadPool(options.threads);
  }

  /**
   * As `ConcurrencyBackend.bootstrap`, cancellation included; and the threads of `runInThread` end
   * with it.
   */
  override async bootstrap<R>(main: () => Awaitable<R>, options?: BootstrapOptions): Promise<R> {
    this.#bootstraps++;
    try {
      return await super.bootstrap(main, options);
    } finally {
      this.#bootstraps--;
      if (this.#bootstraps === 0) await this.#pool.end();
    }
  }

  /**
   * Runs the exported function `name` (default: 'default') of the ES or CommonJS module `module` in
   * a thread, with cloned arguments, and resolves to its result, cloned (or moved:
   * `transferResult`). What it throws arrives with its class (of the language or of this library;
   * else Error), name, message, stack, own properties and cause.
   *
   * A checkpoint. A call that is cancelled before it began is not made; one that runs is waited
   * for, or, with `abandonOnCancel`, its thread is terminated. The function cannot see this
   * thread's objects or AsyncLocalStorages.
   *
   * @throws TypeError, as a rejection, for a closure, a relative path, a module without such an
   *   export; DataCloneError for what cannot be cloned; UnsupportedOperationError for a TypeScript
   *   module where this Node.js loads none
   */
  runInThread<R = unknown>(
    fn: ThreadFunction,
    args: readonly unknown[] = [],
    options?: RunInThreadOptions,
  ): Promise<R> {
    return this.#pool.run<R>(fn, args, options);
  }

  /** Lets other threads call the given functions in this thread's event loop. */
  createThreadsPortal<F extends PortalFunctions>(functions: F): ThreadsPortal<F> {
    return new ThreadsPortal(this, functions);
  }
}

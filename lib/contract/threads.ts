import type { MessagePort } from 'node:worker_threads';
import type { Awaitable } from './tasks';

/**
 * A function that another thread can find: the export `name` (default: 'default') of an ES or
 * CommonJS module. `module` is a file URL, an absolute path, or the name of a package.
 *
 * A TypeScript module works where Node.js strips types (22.18 and later, or
 * `process.features.typescript`), and where this process was started with a loader (`node --import
 * tsx`), which its threads load, too. Elsewhere the call rejects with UnsupportedOperationError.
 */
export interface ThreadFunction {
  readonly module: string | URL;
  readonly name?: string;
}

/** Options of one call in a thread. */
export interface RunInThreadOptions {
  /**
   * With true, a cancellation terminates the thread and rejects at once. By default it waits for
   * the function, and the call settles as the function does.
   */
  readonly abandonOnCancel?: boolean;
  /** The parts of the arguments that are moved instead of cloned: ArrayBuffers, MessagePorts, … */
  readonly transfer?: readonly unknown[];
}

/**
 * The functions that a portal lets other threads call. Arguments and results are cloned
 * (`structuredClone`): where one cannot be, the caller gets the DOMException `DataCloneError`.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- any function is one
export type PortalFunctions = Record<string, (...args: any[]) => unknown>;

/** A transferable handle by which one other thread calls into a portal. */
export interface PortalHandle {
  /** List the port in `transferList` (or in runInThread's `transfer`). */
  readonly port: MessagePort;
}

/**
 * Lets other threads call given functions in this thread's event loop. Made by
 * `createThreadsPortal` of a backend.
 *
 * Coroutine calls run as tasks of the portal, sync calls in the context of the task that runs it.
 * The caller gets the error of a failed call; the portal and its other calls go on.
 */
export interface ThreadsPortal<F extends PortalFunctions = PortalFunctions> {
  readonly functions?: F;
  /**
   * Opens the portal, once, while `body` runs. When `body` returns, the portal takes no new calls
   * and waits for those under way; if `body` fails or is cancelled, it cancels them first. Settles
   * as `body` does.
   */
  run<R>(body: (portal: this) => Awaitable<R>): Promise<R>;
  /**
   * A handle for one other thread, which gives it to `connectThreadsPortal`. It may be made before
   * the portal opens.
   * @throws InvalidStateError if the portal has closed
   */
  handle(): PortalHandle;
}

/** The promise of a call that runs in the portal's thread. */
export type PortalCall<R> = Promise<R> & {
  /**
   * Rejects the promise with CancelledError at once and cancels the call. A late result is dropped.
   */
  cancel(): void;
};

/** A portal as another thread sees it. */
export interface PortalConnection<F extends PortalFunctions> {
  /**
   * Blocks this thread until the (possibly async) function has run in the portal's thread. Returns
   * its result or throws its error; CancelledError if the call was cancelled there.
   *
   * An error arrives with its class (those of JavaScript and of this library, and DOMException;
   * otherwise the nearest of these that it extends), message, stack, cause, errors, and those of
   * its own properties that can be cloned. The rest is left behind of more than 256 errors, of
   * causes more than 32 deep, of texts beyond 65,536 characters, and beyond a MiB in all.
   * @throws InvalidStateError if the portal is not open, or its thread has ended, which is noticed
   *   within a second
   */
  runCoroutine<K extends keyof F & string>(
    name: K,
    ...args: Parameters<F[K]>
  ): Awaited<ReturnType<F[K]>>;
  /** `runCoroutine` without blocking; `cancel()` of the promise cancels the call. */
  runCoroutineSoon<K extends keyof F & string>(
    name: K,
    ...args: Parameters<F[K]>
  ): PortalCall<Awaited<ReturnType<F[K]>>>;
  /**
   * As `runCoroutine`, for functions that do not wait. TypeError for one that returns a promise.
   */
  runSync<K extends keyof F & string>(name: K, ...args: Parameters<F[K]>): ReturnType<F[K]>;
  /** `runSync` without blocking. The call cannot be cancelled: it does not wait. */
  runSyncSoon<K extends keyof F & string>(
    name: K,
    ...args: Parameters<F[K]>
  ): Promise<ReturnType<F[K]>>;
}

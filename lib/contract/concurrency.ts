import type { CancelledError } from '../errors';
import type { ICondition, IEvent, ILock } from './locks';
import type { CancelScope, CancelScopeOptions, TimeoutScope } from './scopes';
import type { Awaitable, BootstrapOptions, TaskGroup, TaskInfo } from './tasks';

/** The results of all functions, in their order. */
export type Gathered<T extends readonly (() => Awaitable<unknown>)[]> = {
  -readonly [K in keyof T]: Awaited<ReturnType<T[K]>>;
};

/**
 * The half of a backend that needs no sockets: tasks, scopes, timeouts and locks.
 *
 * Times are milliseconds on the backend's clock; `Infinity` means never; NaN is a RangeError. Every
 * method works outside of a task, too, with no scope around it; only `getCurrentTask` throws there.
 *
 * A *checkpoint* is a call that waits or may wait. It rejects with CancelledError if a cancel scope
 * around it is cancelled, before it starts (even if it would not have waited) or while it waits,
 * and then it had no effect. Misuse rejects from an async method and throws from a sync one.
 *
 * A checkpoint that need not wait (a free lock, an event that is set, data that has arrived, a call
 * that rejects at once) takes effect at the call, and settles at once. After about a millisecond of
 * such checkpoints in one turn of the event loop, the next one settles in the next turn instead, so
 * that no loop of them keeps timers, I/O and other tasks waiting. A cancellation that comes in
 * between takes nothing back: it is felt at the next checkpoint. Other calls that settle at once,
 * like `run` of a group without tasks, yield in the same way.
 *
 * A checkpoint belongs to the scope in whose context it is called. Code that was started in a scope
 * that was cancelled stays cancelled after the scope has ended. What is only created in a scope,
 * and outlives it, as a pool or a cache, is to be made in `outsideOfScopes`.
 */
export interface Concurrency {
  /**
   * Runs `main` as the root task; `main` begins at once. Settles as `main` does, once it and
   * everything that it started has ended: groups, scopes and checkpoints that it did not await are
   * waited for. If `main` fails, they are cancelled.
   *
   * An aborted `signal` cancels all of it (a signal that has aborted before means that `main` is
   * not called). What ends because of that rejects with CancelledError, whose cause is the signal's
   * reason.
   *
   * @throws InvalidStateError (`ERR_INVALID_STATE`), as a rejection, inside a task
   */
  bootstrap<R>(main: () => Awaitable<R>, options?: BootstrapOptions): Promise<R>;

  /** A checkpoint that lets every other ready task, and pending I/O, run once. */
  coroYield(): Promise<void>;
  /** As `coroYield`, but never rejects: a cancellation is felt at the next checkpoint. */
  cancelShieldedCoroYield(): Promise<void>;
  /**
   * A checkpoint: waits `delay` milliseconds, never less. 0 is `coroYield`; `Infinity` waits for a
   * cancellation. A sleeping task keeps the process alive.
   * @throws RangeError, as a rejection, if `delay` is negative or NaN
   */
  sleep(delay: number): Promise<void>;
  /** A checkpoint that only a cancellation ends. It keeps the process alive. */
  sleepForever(): Promise<never>;
  /**
   * A checkpoint: waits until `deadline`. A deadline that has passed is `coroYield`.
   * @throws RangeError, as a rejection, if `deadline` is NaN
   */
  sleepUntil(deadline: number): Promise<void>;
  /** The monotonic time in milliseconds. Only differences mean anything. */
  currentTime(): number;

  /** The class of the errors that cancelled scopes throw into tasks. */
  getCancelledErrorClass(): typeof CancelledError;
  /**
   * Runs `fn` shielded, in the same task; `fn` begins at once. No scope outside of it reaches its
   * checkpoints. Settles as `fn` does. The call itself is no checkpoint: a cancellation from
   * outside is felt at the next checkpoint after it.
   *
   * @example
   * const scope = backend.moveOnAfter(5);
   * await scope.run(() =>
   *   backend.ignoreCancellation(async () => {
   *     await backend.sleep(20);
   *     console.log('flushed'); // → flushed
   *   }),
   * );
   */
  ignoreCancellation<R>(fn: () => Awaitable<R>): Promise<R>;
  /**
   * Makes a promise from elsewhere (fetch, a database driver) a checkpoint. A cancellation abandons
   * the promise: its work goes on, and its late result or rejection is dropped. If the source of
   * the promise takes an AbortSignal, give it `scope.signal`.
   * @throws TypeError, as a rejection, if `promise` is not a thenable
   *
   * @example
   * const scope = backend.moveOnAfter(5);
   * const answer = await scope.run(() => backend.waitFor(new Promise(() => {})));
   * console.log(answer, scope.cancelledCaught()); // → undefined true
   */
  waitFor<R>(promise: PromiseLike<R>): Promise<R>;

  /**
   * Runs all functions concurrently, as tasks that begin in their order. Resolves to their results,
   * in that order. The first failure cancels the rest; failures, one or many, arrive as one
   * AggregateError. A function that ends with a CancelledError of its own making cancels the rest,
   * too, and `gather` rejects with that error.
   *
   * A checkpoint. Cancelled before it begins, it calls no function; cancelled later, it cancels all
   * tasks, waits for them, and rejects if that ended any of them.
   *
   * @example
   * const [one, two] = await backend.gather(
   *   async () => 1,
   *   async () => 2,
   * );
   * console.log(one + two); // → 3
   */
  gather<T extends readonly (() => Awaitable<unknown>)[]>(...fns: T): Promise<Gathered<T>>;
  /** A new task group. `run` opens it. */
  createTaskGroup(): TaskGroup;
  /** @throws InvalidStateError (`ERR_INVALID_STATE`) outside of a task */
  getCurrentTask(): TaskInfo;

  /**
   * A new scope. `run` enters it.
   * @throws RangeError if the deadline is NaN; TypeError for a value that is not a number or an
   *   AbortSignal
   */
  openCancelScope(options?: CancelScopeOptions): CancelScope;
  /**
   * A scope with a deadline `delay` milliseconds from this call. A deadline that has passed takes
   * effect when the scope is entered.
   * @throws RangeError if `delay` is NaN
   */
  moveOnAfter(delay: number): CancelScope;
  /** A scope with a deadline on the backend's clock. @throws RangeError if `deadline` is NaN */
  moveOnAt(deadline: number): CancelScope;
  /**
   * Like `moveOnAfter`, but `run` rejects with TimeoutError where that of a move-on scope would
   * resolve to undefined (after `cancel()`, too).
   *
   * @example
   * try {
   *   await backend.timeout(20).run(() => backend.sleepForever());
   * } catch (error) {
   *   console.log(error.code); // → ETIMEDOUT
   * }
   */
  timeout(delay: number): TimeoutScope;
  /** Like `timeout`, with a deadline on the backend's clock. */
  timeoutAt(deadline: number): TimeoutScope;

  /**
   * A new lock, free. The order in which waiting tasks get it is up to the backend; the backends of
   * this library hand it over in order of arrival, as a fair lock does.
   */
  createLock(): ILock;
  /** A new lock, free, that waiting tasks get strictly in order of arrival. */
  createFairLock(): ILock;
  /**
   * A new event, not set. A set event stays set.
   *
   * @example
   * const ready = backend.createEvent();
   * await backend.gather(
   *   () => ready.wait().then(() => console.log('ready')), // → ready
   *   () => ready.set(),
   * );
   */
  createEvent(): IEvent;
  /**
   * A new condition on `lock`, or on a lock of its own.
   * @throws TypeError for a lock that `createLock` or `createFairLock` did not make
   *
   * @example
   * const queue = [];
   * const arrived = backend.createConditionVar();
   * await backend.gather(
   *   () =>
   *     arrived.runExclusive(async () => {
   *       while (queue.length === 0) await arrived.wait();
   *       console.log(queue.shift()); // → first
   *     }),
   *   () =>
   *     arrived.runExclusive(() => {
   *       queue.push('first');
   *       arrived.notify();
   *     }),
   * );
   */
  createConditionVar(lock?: ILock): ICondition;
}

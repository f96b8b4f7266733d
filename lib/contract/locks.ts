import type { Awaitable } from './tasks';

/**
 * A lock for the tasks of one thread; one task at a time holds it. Code outside of any task counts
 * as one owner.
 *
 * A release hands the lock to a waiting task in the same step: a task that comes later cannot take
 * it in between. See `createLock` and `createFairLock` for the order.
 */
export interface ILock {
  /**
   * A checkpoint: waits until the lock is free, and takes it. Resolves to a guard for `using`,
   * which releases the lock; disposing of the guard twice, or after `release()`, does nothing.
   * Cancelled, it has not taken the lock.
   * @throws InvalidStateError, as a rejection, if this task holds the lock already
   *
   * @example
   * const lock = backend.createLock();
   * const guard = await lock.acquire();
   * console.log(lock.locked()); // → true
   * guard[Symbol.dispose](); // or `using guard = await lock.acquire()`
   * console.log(lock.locked()); // → false
   */
  acquire(): Promise<Disposable>;
  /** @throws InvalidStateError if no task, or another task, holds the lock */
  release(): void;
  /** Whether a task holds the lock. */
  locked(): boolean;
  /**
   * Acquires the lock, calls `fn`, and releases the lock, no matter how `fn` ends. Settles as `fn`
   * does. Cancelled while it waits for the lock, it does not call `fn`.
   */
  runExclusive<R>(fn: () => Awaitable<R>): Promise<R>;
}

/** Something that happens once, and that any number of tasks of one thread can wait for. */
export interface IEvent {
  /** A checkpoint: waits until `set()` has been called; need not wait if it has. */
  wait(): Promise<void>;
  /**
   * Marks the event as happened and wakes all waiting tasks, in the order in which they came. A
   * second call does nothing.
   */
  set(): void;
  /** Whether `set()` has been called. */
  isSet(): boolean;
}

/** A lock, and a place to wait, while the lock is released, for a change of what it protects. */
export interface ICondition extends ILock {
  /**
   * Wakes the `n` tasks (default 1) that have waited longest, or all if there are fewer. They go on
   * one by one, each holding the lock.
   * @throws InvalidStateError unless this task holds the lock; RangeError if `n` is not a count
   */
  notify(n?: number): void;
  /** Wakes all waiting tasks. @throws InvalidStateError unless this task holds the lock */
  notifyAll(): void;
  /**
   * A checkpoint: releases the lock, waits for a notification, and acquires the lock again.
   * Cancelled, it acquires the lock again, however long that takes, and then rejects: the caller
   * holds the lock in either case. A cancelled wait has used up no notification.
   * @throws InvalidStateError, as a rejection, unless this task holds the lock
   */
  wait(): Promise<void>;
}

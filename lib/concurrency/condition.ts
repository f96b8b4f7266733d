import { inspect, type InspectOptions } from 'node:util';
import type { CancelledError } from '../errors';
import { currentScope } from '../waiting/context';
import { cancelled, markHandled, isCancelled } from '../waiting/operation';
import { checkInteger, invalidArgument } from '../arguments/validate';
import type { Awaitable } from './awaitable';
import { type Holding, type ILock, Lock, LockWaiter } from './lock';
import { WaitQueue } from './wait-queue';

/** A lock, and a place to wait, while it is released, for a change of what it protects. */
export interface ICondition extends ILock {
  /**
   * Wakes the `n` tasks (default 1) that have waited longest, or as many as there are. They go on
   * one by one, each holding the lock.
   * @throws InvalidStateError unless this task holds the lock; RangeError for what is no count
   */
  notify(n?: number): void;
  /** Wakes all. @throws InvalidStateError unless this task holds the lock */
  notifyAll(): void;
  /**
   * A checkpoint: releases the lock, waits to be notified, and acquires it again. Cancelled, it
   * also acquires it again, however long that takes, before it rejects: the caller holds the lock
   * in any case. A cancelled one has taken no notification.
   * @throws InvalidStateError, as a rejection, unless this task holds the lock
   */
  wait(): Promise<void>;
}

/** Waits for a notification, linked into a scope; then for the lock, out of any scope's reach. */
class ConditionWaiter extends LockWaiter<void> {
  readonly #lock: Lock;
  #cancellation: CancelledError | null = null;
  #isNotified = false;

  constructor(lock: Lock, holding: Holding) {
    super(holding);
    this.#lock = lock;
  }

  /** It is out of the condition's queue. */
  notified(): void {
    this.#isNotified = true;
    this.leave();
    this.#lock.grantLater(this as LockWaiter<unknown>);
  }

  override cancel(reason: CancelledError): void {
    this.withdraw();
    this.#cancellation = reason;
    this.leave();
    this.#lock.grantLater(this as LockWaiter<unknown>);
  }

  granted(): void {
    if (this.#cancellation === null) {
      this.settle();
    } else {
      markHandled(this.promise);
      this.fail(this.#cancellation);
    }
  }

  describe(): string {
    return this.#isNotified ? 'acquire a lock' : 'wait for a condition';
  }
}

/** The condition variable of `createConditionVar`. */
export class Condition implements ICondition {
  readonly #lock: Lock;
  readonly #waiters = new WaitQueue<void, ConditionWaiter>();

  constructor(lock?: ILock) {
    if (lock !== undefined && !(lock instanceof Lock)) {
      throw invalidArgument('lock', 'made by createLock() or createFairLock()', lock);
    }
    this.#lock = lock ?? new Lock();
  }

  acquire(): Promise<Disposable> {
    return this.#lock.acquire();
  }

  release(): void {
    this.#lock.release();
  }

  locked(): boolean {
    return this.#lock.locked();
  }

  runExclusive<R>(fn: () => Awaitable<R>): Promise<R> {
    return this.#lock.runExclusive(fn);
  }

  notify(n = 1): void {
    checkInteger('n', n, 0, Number.MAX_SAFE_INTEGER);
    this.#lock.checkHeld('notify()');
    this.#wake(n);
  }

  notifyAll(): void {
    this.#lock.checkHeld('notifyAll()');
    this.#wake(Infinity);
  }

  wait(): Promise<void> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    let holding: Holding;
    try {
      holding = this.#lock.checkHeld('wait()');
    } catch (error) {
      return Promise.reject<void>(error);
    }
    const waiter = new ConditionWaiter(this.#lock, holding).enter(scope);
    this.#waiters.push(waiter);
    this.#lock.releaseHolding(holding);
    return waiter.promise;
  }

  #wake(count: number): void {
    for (let woken = 0; woken < count; woken++) {
      const waiter = this.#waiters.shift();
      if (waiter === null) return;
      waiter.notified();
    }
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    return `Condition ${inspect({ locked: this.locked(), waiters: this.#waiters.size }, options)}`;
  }
}

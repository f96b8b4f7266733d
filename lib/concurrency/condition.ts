import { inspect, type InspectOptions } from 'node:util';
import type { ICondition, ILock } from '../contract/locks';
import type { Awaitable } from '../contract/tasks';
import type { CancelledError } from '../errors';
import { currentScope } from '../waiting/context';
import { cancelled, markHandled, isCancelled, rejected } from '../waiting/operation';
import { checkInteger, invalidArgument } from '../arguments/validate';
import { type LockHold, Lock, LockWaiter } from './lock';
import { WaitQueue } from './wait-queue';

/** Waits in a scope for a notification, and then for the lock, where no scope can cancel it. */
class ConditionWaiter extends LockWaiter<void> {
  readonly #lock: Lock;
  #cancellation: CancelledError | null = null;
  #isNotified = false;

  constructor(lock: Lock, hold: LockHold) {
    super(hold);
    this.#lock = lock;
  }

  /** Called after the condition has removed the waiter from its queue. */
  notified(): void {
    this.#isNotified = true;
    this.leave();
    this.#lock.grantLater(this);
  }

  override cancel(reason: CancelledError): void {
    this.withdraw();
    this.#cancellation = reason;
    this.leave();
    this.#lock.grantLater(this);
  }

  granted(): void {
    if (this.#cancellation === null) {
      this.settleInTurn();
    } else {
      markHandled(this.promise);
      this.failInTurn(this.#cancellation);
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
    let hold: LockHold;
    try {
      hold = this.#lock.checkHeld('wait()');
    } catch (error) {
      return rejected(error);
    }
    const waiter = new ConditionWaiter(this.#lock, hold).enter(scope);
    this.#waiters.push(waiter);
    this.#lock.releaseHold(hold);
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

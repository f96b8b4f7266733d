import { inspect, type InspectOptions } from 'node:util';
import type { ILock } from '../contract/locks';
import type { Awaitable } from '../contract/tasks';
import { InvalidStateError } from '../errors';
import { currentScope } from '../waiting/context';
import { cancelled, markHandled, isCancelled, rejected, resolved } from '../waiting/operation';
import { checkFunction } from '../arguments/validate';
import { isCancellation } from './cancellation';
import { currentTask, type TaskNode } from './task-node';
import { QueuedOperation, WaitQueue } from './wait-queue';

/** One acquisition of a lock by one task, and the guard that `acquire` resolves to. */
export class LockHold implements Disposable {
  readonly #lock: Lock;
  readonly owner: TaskNode | null;

  constructor(lock: Lock, owner: TaskNode | null) {
    this.#lock = lock;
    this.owner = owner;
  }

  /** Releases the lock if this hold is the current one. Any task may call it. */
  [Symbol.dispose](): void {
    this.#lock.releaseHold(this);
  }
}

/** A checkpoint that waits in the queue of a lock, with the hold that it will get. */
export abstract class LockWaiter<T> extends QueuedOperation<T> {
  readonly hold: LockHold;

  constructor(hold: LockHold) {
    super();
    this.hold = hold;
  }

  /** Called when `hold` has become the current hold of the lock. */
  abstract granted(): void;
}

class Acquire extends LockWaiter<Disposable> {
  granted(): void {
    this.settleInTurn(this.hold);
  }

  describe(): string {
    return 'acquire a lock';
  }
}

/**
 * The lock of `createLock`. A release hands the lock in the same step to the task that has waited
 * longest. If that task is cancelled before the release, the next task gets the lock; if after it,
 * the task holds the lock and feels the cancellation at its next checkpoint.
 */
export class Lock implements ILock {
  #hold: LockHold | null = null;
  readonly #waiters = new WaitQueue<unknown, LockWaiter<unknown>>();

  acquire(): Promise<Disposable> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    const hold = new LockHold(this, currentTask());
    if (this.#hold === null) {
      this.#hold = hold;
      return resolved(hold);
    }
    if (this.#hold.owner === hold.owner)
      return rejected(
        new InvalidStateError(
          `This lock is not reentrant: ${nameOf(hold.owner)} holds it already, release it first`,
        ),
      );
    const waiter = new Acquire(hold).enter(scope);
    this.#waiters.push(waiter);
    return waiter.promise;
  }

  release(): void {
    this.checkHeld('release()');
    this.#handOver();
  }

  locked(): boolean {
    return this.#hold !== null;
  }

  runExclusive<R>(fn: () => Awaitable<R>): Promise<R> {
    const running: Promise<R> = this.#runHeld(fn).catch((error: unknown) => {
      if (isCancellation(error)) markHandled(running);
      throw error;
    });
    return running;
  }

  async #runHeld<R>(fn: () => Awaitable<R>): Promise<R> {
    checkFunction('fn', fn);
    const guard = await this.acquire();
    try {
      return await fn();
    } finally {
      guard[Symbol.dispose]();
    }
  }

  /** The current hold. @throws InvalidStateError unless the calling task has it */
  checkHeld(call: string): LockHold {
    const hold = this.#hold;
    if (hold === null)
      throw new InvalidStateError(`${call} needs the lock, which is not held: acquire it first`);
    const caller = currentTask();
    if (hold.owner !== caller) {
      throw new InvalidStateError(
        `${call} needs the lock: ${nameOf(caller)} does not hold it, ${nameOf(hold.owner)} does`,
      );
    }
    return hold;
  }

  releaseHold(hold: LockHold): void {
    if (this.#hold === hold) this.#handOver();
  }

  /** Grants the lock, now or when it is free, to a waiter that no scope can cancel. */
  grantLater(waiter: LockWaiter<unknown>): void {
    this.#waiters.push(waiter);
    if (this.#hold === null) this.#handOver();
  }

  #handOver(): void {
    const next = this.#waiters.shift();
    this.#hold = next === null ? null : next.hold;
    next?.granted();
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    return `${this.constructor.name} ${inspect({ locked: this.locked(), waiters: this.#waiters.size }, options)}`;
  }
}

/** The lock of `createFairLock`: `Lock` is fair already, and `inspect` shows which one it is. */
export class FairLock extends Lock {}

function nameOf(task: TaskNode | null): string {
  return task === null ? 'code outside of any task' : task.describe();
}

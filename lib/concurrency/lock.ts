import type { ILock } from '../contract/locks';
import type { Awaitable } from '../contract/tasks';
import { inspect, type InspectOptions } from 'node:util';
import { InvalidStateError } from '../errors';
import { currentScope } from '../waiting/context';
import { cancelled, markHandled, isCancelled } from '../waiting/operation';
import { checkFunction } from '../arguments/validate';
import { isCancellation } from './cancellation';
import { currentTask, type TaskNode } from './task-node';
import { QueuedOperation, WaitQueue } from './wait-queue';

/** One time of holding a lock, by one task: the guard. */
export class Holding implements Disposable {
  readonly #lock: Lock;
  readonly owner: TaskNode | null;

  constructor(lock: Lock, owner: TaskNode | null) {
    this.#lock = lock;
    this.owner = owner;
  }

  /**
   * Releases the lock, if it is still held by this guard. It may be called by anybody who was given
   * the guard.
   */
  [Symbol.dispose](): void {
    this.#lock.releaseHolding(this);
  }
}

/** A checkpoint that waits in a lock's queue, with what it will hold then. */
export abstract class LockWaiter<T> extends QueuedOperation<T> {
  readonly holding: Holding;

  constructor(holding: Holding) {
    super();
    this.holding = holding;
  }

  /** The lock is its own now. */
  abstract granted(): void;
}

class Acquire extends LockWaiter<Disposable> {
  granted(): void {
    this.settle(this.holding);
  }

  describe(): string {
    return 'acquire a lock';
  }
}

/**
 * The lock of `createLock`. A release hands it to the task that has waited longest, in that moment:
 * nobody comes in between, and a cancellation comes either before (then the next one gets it) or
 * after (then the task holds it, and feels that at its next checkpoint).
 */
export class Lock implements ILock {
  #holding: Holding | null = null;
  readonly #waiters = new WaitQueue<unknown, LockWaiter<unknown>>();

  acquire(): Promise<Disposable> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    const holding = new Holding(this, currentTask());
    if (this.#holding === null) {
      this.#holding = holding;
      return Promise.resolve(holding);
    }
    if (this.#holding.owner === holding.owner)
      return Promise.reject(
        new InvalidStateError(
          `This lock is not reentrant: ${nameOf(holding.owner)} holds it already`,
        ),
      );
    const waiter = new Acquire(holding).enter(scope);
    this.#waiters.push(waiter);
    return waiter.promise;
  }

  release(): void {
    this.checkHeld('release()');
    this.#pass();
  }

  locked(): boolean {
    return this.#holding !== null;
  }

  runExclusive<R>(fn: () => Awaitable<R>): Promise<R> {
    const running: Promise<R> = this.#runHolding(fn).catch((error: unknown) => {
      if (isCancellation(error)) markHandled(running);
      throw error;
    });
    return running;
  }

  async #runHolding<R>(fn: () => Awaitable<R>): Promise<R> {
    checkFunction('fn', fn);
    const guard = await this.acquire();
    try {
      return await fn();
    } finally {
      guard[Symbol.dispose]();
    }
  }

  /**
   * The current holding, which is the caller's. @throws InvalidStateError if it is not @internal
   */
  checkHeld(call: string): Holding {
    const holding = this.#holding;
    if (holding === null)
      throw new InvalidStateError(`${call} of a lock that is not held: acquire it first`);
    const caller = currentTask();
    if (holding.owner !== caller) {
      throw new InvalidStateError(
        `${call} of a lock by ${nameOf(caller)}, which does not hold it: ${nameOf(holding.owner)} does`,
      );
    }
    return holding;
  }

  /** @internal */
  releaseHolding(holding: Holding): void {
    if (this.#holding === holding) this.#pass();
  }

  /**
   * Takes the lock for a waiter that no scope can cancel any more, now or when it is its turn.
   * @internal
   */
  grantLater(waiter: LockWaiter<unknown>): void {
    this.#waiters.push(waiter);
    if (this.#holding === null) this.#pass();
  }

  #pass(): void {
    const next = this.#waiters.shift();
    this.#holding = next === null ? null : next.holding;
    next?.granted();
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    return `${this.constructor.name} ${inspect({ locked: this.locked(), waiters: this.#waiters.size }, options)}`;
  }
}

/**
 * The lock of `createFairLock`: strictly first come, first served. `Lock` happens to be that too;
 * this one promises it.
 */
export class FairLock extends Lock {}

function nameOf(task: TaskNode | null): string {
  return task === null ? 'code outside of any task' : task.describe();
}

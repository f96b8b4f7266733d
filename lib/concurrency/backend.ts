import { CancelledError, InvalidStateError } from '../errors';
import { checkTime, invalidArgument, outOfRange } from '../arguments/validate';
import type { Awaitable } from './awaitable';
import { bootstrap, type BootstrapOptions } from './bootstrap';
import { CancelScope } from './cancel-scope';
import { type Clock, systemClock } from './clock';
import { Condition, type ICondition } from './condition';
import { Deadlines } from './deadlines';
import { Event, type IEvent } from './event';
import { FairLock } from './fair-lock';
import { gather, type Gathered } from './gather';
import { type ILock, Lock } from './lock';
import { currentTask } from './scope-node';
import { ignoreCancellation } from './shield';
import { checkSignal } from './signal-link';
import { sleepUntil } from './sleep';
import { TaskGroup } from './task-group';
import type { TaskInfo } from '../contract/tasks';
import { TimeoutScope } from './timeout-scope';
import { Turns } from './turns';
import { waitFor } from './wait-for';

/** What a backend's concurrency can be given. */
export interface ConcurrencyOptions {
  /** Where time comes from; by default the system's monotonic clock. */
  readonly clock?: Clock;
}

/** What a cancel scope begins with. */
export interface CancelScopeOptions {
  /** In milliseconds on the backend's clock. Default: `Infinity`. */
  readonly deadline?: number;
  /**
   * Cancels the scope when it aborts; one that has aborted already does so when the scope is
   * entered.
   */
  readonly signal?: AbortSignal;
}

/**
 * The half of a backend that has no sockets. It is the same in every backend: they extend this
 * class.
 *
 * Times are milliseconds; `Infinity` means never; NaN is a RangeError. Every method works outside
 * of a task too, with no scope around it; only `getCurrentTask` throws there.
 */
export class ConcurrencyBackend {
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #turns: Turns;

  constructor(options: ConcurrencyOptions = {}) {
    const { clock = systemClock } = options;
    this.#clock = clock;
    this.#deadlines = new Deadlines(clock);
    this.#turns = new Turns(this.#deadlines);
  }

  // Runners

  /**
   * Runs `main` as the root task, beginning at once, and settles, with its result or its error,
   * when it has ended, and everything that it started: also a group, scope or checkpoint that
   * nobody awaited. If `main` fails, such leftovers are cancelled.
   *
   * An aborted `signal` cancels all of it (before the beginning, `main` does not begin); what that
   * ends rejects with a CancelledError whose cause is the signal's reason.
   *
   * @throws InvalidStateError (`ERR_INVALID_STATE`), as a rejection, inside a task
   */
  bootstrap<R>(main: () => Awaitable<R>, options?: BootstrapOptions): Promise<R> {
    return bootstrap(this, this.#clock, main, options);
  }

  // Sleeping

  /** A checkpoint that lets every other ready task and pending I/O run once. */
  coroYield(): Promise<void> {
    return this.#turns.pass();
  }

  /** The same, but not a cancellation point: a cancellation is felt at the next one. */
  cancelShieldedCoroYield(): Promise<void> {
    return this.#turns.passShielded();
  }

  /**
   * A checkpoint: for `delay` milliseconds, never less; 0 is `coroYield`. `Infinity` sleeps until
   * it is cancelled. A sleep keeps the process alive.
   * @throws RangeError, as a rejection, if it is negative or NaN
   */
  sleep(delay: number): Promise<void> {
    try {
      checkTime('delay', delay);
      if (delay < 0) throw outOfRange('delay', 'a number >= 0', delay);
    } catch (error) {
      return Promise.reject<void>(error);
    }
    return delay === 0
      ? this.#turns.pass()
      : sleepUntil(this.#deadlines, this.#clock.now() + delay);
  }

  /** A checkpoint that ends by cancellation alone. It keeps the process alive. */
  sleepForever(): Promise<never> {
    return sleepUntil(this.#deadlines, Infinity) as Promise<never>;
  }

  /**
   * A checkpoint: until `deadline`; if that has passed, `coroYield`.
   * @throws RangeError, as a rejection, if it is NaN
   */
  sleepUntil(deadline: number): Promise<void> {
    try {
      checkTime('deadline', deadline);
    } catch (error) {
      return Promise.reject<void>(error);
    }
    return deadline <= this.#clock.now()
      ? this.#turns.pass()
      : sleepUntil(this.#deadlines, deadline);
  }

  /**
   * The time on the backend's clock, in milliseconds. It never decreases; only differences mean
   * anything.
   */
  currentTime(): number {
    return this.#clock.now();
  }

  // Cancellation

  /** The class of the errors that cancelled scopes throw into tasks. */
  getCancelledErrorClass(): typeof CancelledError {
    return CancelledError;
  }

  /**
   * Runs `fn` shielded, in the same task, beginning at once: no scope outside of it reaches its
   * checkpoints. Not a checkpoint itself: a cancellation from outside is felt at the next one after
   * it. Its result and its error are `fn`'s.
   */
  ignoreCancellation<R>(fn: () => Awaitable<R>): Promise<R> {
    return ignoreCancellation(fn);
  }

  /**
   * Makes a promise from elsewhere (fetch, a driver) a checkpoint: when cancelled it is abandoned,
   * its late result or rejection dropped.
   * @throws TypeError, as a rejection, for what is no thenable
   */
  waitFor<R>(promise: PromiseLike<R>): Promise<R> {
    return waitFor(promise);
  }

  // Tasks

  /**
   * Runs all functions concurrently, as tasks that begin in their order. Resolves to their results,
   * in that order. The first failure cancels the rest; failures, one or many, arrive as one
   * AggregateError. A function that ends with a CancelledError of its own making cancels the rest
   * too, and gather rejects with that one.
   *
   * Cancelled before it begins, it calls none of them; later, it rejects if that ended any of them.
   */
  gather<T extends readonly (() => Awaitable<unknown>)[]>(...fns: T): Promise<Gathered<T>> {
    return gather(this, this.#deadlines, fns);
  }

  /** A new task group, not open yet: see {@link TaskGroup.run}. */
  createTaskGroup(): TaskGroup {
    return new TaskGroup(this, this.#deadlines);
  }

  /** @throws InvalidStateError (`ERR_INVALID_STATE`) outside of a task */
  getCurrentTask(): TaskInfo {
    const task = currentTask();
    if (task === null) {
      throw new InvalidStateError(
        'getCurrentTask() outside of any task: call it within bootstrap() or a task of a group',
      );
    }
    return task.info;
  }

  // Timeouts

  /** @throws RangeError if the deadline is NaN; TypeError for what is no number or AbortSignal */
  openCancelScope(options: CancelScopeOptions = {}): CancelScope {
    if (typeof options !== 'object' || (options as unknown) === null)
      throw invalidArgument('options', 'an object', options);
    const { deadline = Infinity, signal } = options;
    checkTime('options.deadline', deadline);
    checkSignal('options.signal', signal);
    return new CancelScope(this.#deadlines, deadline, signal);
  }

  /**
   * A scope that ends quietly `delay` milliseconds from this call. A deadline that has passed takes
   * effect when the scope is entered.
   */
  moveOnAfter(delay: number): CancelScope {
    return new CancelScope(this.#deadlines, this.#after(delay));
  }

  /** A scope that ends quietly at `deadline`. */
  moveOnAt(deadline: number): CancelScope {
    checkTime('deadline', deadline);
    return new CancelScope(this.#deadlines, deadline);
  }

  /**
   * Like `moveOnAfter`, but `run` rejects with TimeoutError where a move-on scope would resolve to
   * undefined, after `cancel()` too.
   */
  timeout(delay: number): TimeoutScope {
    return new TimeoutScope(this.#deadlines, this.#after(delay));
  }

  /** Like `moveOnAt`, with a TimeoutError. */
  timeoutAt(deadline: number): TimeoutScope {
    checkTime('deadline', deadline);
    return new TimeoutScope(this.#deadlines, deadline);
  }

  // Synchronization

  /** For one task at a time. */
  createLock(): ILock {
    return new Lock();
  }

  /** Strictly first come, first served. */
  createFairLock(): ILock {
    return new FairLock();
  }

  /** A new event, not set. There is no way back once it is. */
  createEvent(): IEvent {
    return new Event();
  }

  /**
   * A condition on `lock`, or on a lock of its own.
   * @throws TypeError for a lock that was not made by `createLock` or `createFairLock`
   */
  createConditionVar(lock?: ILock): ICondition {
    return new Condition(lock);
  }

  #after(delay: number): number {
    checkTime('delay', delay);
    return this.#clock.now() + delay;
  }
}

/** The backend that runs the current task; undefined outside of any. */
export function currentBackend(): ConcurrencyBackend | undefined {
  return currentTask()?.owner.backend;
}

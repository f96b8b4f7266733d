import type { CancelScopeOptions } from '../contract/scopes';
import type * as contract from '../contract/concurrency';
import type { Clock } from '../contract/clock';
import type { Gathered } from '../contract/concurrency';
import type { ICondition, IEvent, ILock } from '../contract/locks';
import { CancelledError, InvalidStateError } from '../errors';
import { checkTime, invalidArgument, outOfRange } from '../arguments/validate';
import { ignoreCancellation } from './body-scope';
import { bootstrap } from './bootstrap';
import { CancelScope, TimeoutScope } from './cancel-scope';
import { systemClock } from './clock';
import { Condition } from './condition';
import { Deadlines } from './deadlines';
import { Event } from './event';
import { gather } from './gather';
import { FairLock, Lock } from './lock';
import { checkSignal } from './signal-link';
import { sleepUntil, Turns } from './sleep';
import { TaskGroup } from './task-group';
import { currentTask } from './task-node';
import type { Awaitable, BootstrapOptions, TaskInfo } from '../contract/tasks';
import { waitFor } from './wait-for';

/** What a backend's concurrency can be given. */
export interface ConcurrencyOptions {
  /** Where time comes from; by default the system's monotonic clock. */
  readonly clock?: Clock;
}

/**
 * The half of a backend that has no sockets. It is the same in every backend: they extend this
 * class.
 *
 * Times are milliseconds; `Infinity` means never; NaN is a RangeError. Every method works outside
 * of a task too, with no scope around it; only `getCurrentTask` throws there.
 */
export class ConcurrencyBackend implements contract.Concurrency {
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

  bootstrap<R>(main: () => Awaitable<R>, options?: BootstrapOptions): Promise<R> {
    return bootstrap(this, this.#clock, main, options);
  }

  // Sleeping

  coroYield(): Promise<void> {
    return this.#turns.pass();
  }

  cancelShieldedCoroYield(): Promise<void> {
    return this.#turns.passShielded();
  }

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

  sleepForever(): Promise<never> {
    return sleepUntil(this.#deadlines, Infinity) as Promise<never>;
  }

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

  currentTime(): number {
    return this.#clock.now();
  }

  // Cancellation

  getCancelledErrorClass(): typeof CancelledError {
    return CancelledError;
  }

  ignoreCancellation<R>(fn: () => Awaitable<R>): Promise<R> {
    return ignoreCancellation(fn);
  }

  waitFor<R>(promise: PromiseLike<R>): Promise<R> {
    return waitFor(promise);
  }

  // Tasks

  gather<T extends readonly (() => Awaitable<unknown>)[]>(...fns: T): Promise<Gathered<T>> {
    return gather(this, this.#deadlines, fns);
  }

  createTaskGroup(): TaskGroup {
    return new TaskGroup(this, this.#deadlines);
  }

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

  openCancelScope(options: CancelScopeOptions = {}): CancelScope {
    if (typeof options !== 'object' || (options as unknown) === null)
      throw invalidArgument('options', 'an object', options);
    const { deadline = Infinity, signal } = options;
    checkTime('options.deadline', deadline);
    checkSignal('options.signal', signal);
    return new CancelScope(this.#deadlines, deadline, signal);
  }

  moveOnAfter(delay: number): CancelScope {
    return new CancelScope(this.#deadlines, this.#after(delay));
  }

  moveOnAt(deadline: number): CancelScope {
    checkTime('deadline', deadline);
    return new CancelScope(this.#deadlines, deadline);
  }

  timeout(delay: number): TimeoutScope {
    return new TimeoutScope(this.#deadlines, this.#after(delay));
  }

  timeoutAt(deadline: number): TimeoutScope {
    checkTime('deadline', deadline);
    return new TimeoutScope(this.#deadlines, deadline);
  }

  // Synchronization

  createLock(): ILock {
    return new Lock();
  }

  createFairLock(): ILock {
    return new FairLock();
  }

  createEvent(): IEvent {
    return new Event();
  }

  createConditionVar(lock?: ILock): ICondition {
    return new Condition(lock);
  }

  #after(delay: number): number {
    checkTime('delay', delay);
    return this.#clock.now() + delay;
  }
}

/** The backend that runs the current task; undefined outside of any task. */
export function currentBackend(): contract.Concurrency | undefined {
  return currentTask()?.owner.backend;
}

import type { Clock } from '../contract/clock';
import type * as contract from '../contract/concurrency';
import type { ICondition, IEvent, ILock } from '../contract/locks';
import type * as scopes from '../contract/scopes';
import type * as tasks from '../contract/tasks';
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
import { sleepUntil, YieldQueue } from './sleep';
import { TaskGroup } from './task-group';
import { currentTask } from './task-node';
import { waitFor } from './wait-for';

/** Options of a backend's concurrency. */
export interface ConcurrencyOptions {
  /** The source of time. Default: the monotonic clock of the system. */
  readonly clock?: Clock;
}

/**
 * The half of a backend that needs no sockets. Both backends of this library extend it. See
 * `Concurrency` for what all methods have in common, like what a cancellation does to a checkpoint.
 */
export class ConcurrencyBackend implements contract.Concurrency {
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #yields: YieldQueue;

  constructor(options: ConcurrencyOptions = {}) {
    const { clock = systemClock } = options;
    this.#clock = clock;
    this.#deadlines = new Deadlines(clock);
    this.#yields = new YieldQueue(this.#deadlines);
  }

  // Runners

  bootstrap<R>(main: () => tasks.Awaitable<R>, options?: tasks.BootstrapOptions): Promise<R> {
    return bootstrap(this, this.#clock, main, options);
  }

  // Sleeping

  coroYield(): Promise<void> {
    return this.#yields.yieldTurn();
  }

  cancelShieldedCoroYield(): Promise<void> {
    return this.#yields.yieldShielded();
  }

  sleep(delay: number): Promise<void> {
    try {
      checkTime('delay', delay);
      if (delay < 0) throw outOfRange('delay', 'a number >= 0', delay);
    } catch (error) {
      return Promise.reject<void>(error);
    }
    return delay === 0
      ? this.#yields.yieldTurn()
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
      ? this.#yields.yieldTurn()
      : sleepUntil(this.#deadlines, deadline);
  }

  currentTime(): number {
    return this.#clock.now();
  }

  // Cancellation

  getCancelledErrorClass(): typeof CancelledError {
    return CancelledError;
  }

  ignoreCancellation<R>(fn: () => tasks.Awaitable<R>): Promise<R> {
    return ignoreCancellation(fn);
  }

  waitFor<R>(promise: PromiseLike<R>): Promise<R> {
    return waitFor(promise);
  }

  // Tasks

  gather<T extends readonly (() => tasks.Awaitable<unknown>)[]>(
    ...fns: T
  ): Promise<contract.Gathered<T>> {
    return gather(this, this.#deadlines, fns);
  }

  createTaskGroup(): tasks.TaskGroup {
    return new TaskGroup(this, this.#deadlines);
  }

  getCurrentTask(): tasks.TaskInfo {
    const task = currentTask();
    if (task === null) {
      throw new InvalidStateError(
        'getCurrentTask() outside of any task: call it in bootstrap() or in a task of a group',
      );
    }
    return task.info;
  }

  // Timeouts

  openCancelScope(options: scopes.CancelScopeOptions = {}): scopes.CancelScope {
    if (typeof options !== 'object' || (options as unknown) === null)
      throw invalidArgument('options', 'an object', options);
    const { deadline = Infinity, signal } = options;
    checkTime('options.deadline', deadline);
    checkSignal('options.signal', signal);
    return new CancelScope(this.#deadlines, deadline, signal);
  }

  moveOnAfter(delay: number): scopes.CancelScope {
    return new CancelScope(this.#deadlines, this.#after(delay));
  }

  moveOnAt(deadline: number): scopes.CancelScope {
    checkTime('deadline', deadline);
    return new CancelScope(this.#deadlines, deadline);
  }

  timeout(delay: number): scopes.TimeoutScope {
    return new TimeoutScope(this.#deadlines, this.#after(delay));
  }

  timeoutAt(deadline: number): scopes.TimeoutScope {
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

/** The backend that runs the current task, or undefined outside of any task. */
export function currentBackend(): contract.Concurrency | undefined {
  return currentTask()?.owner.backend;
}

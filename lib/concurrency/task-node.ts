import type { Concurrency } from '../contract/concurrency';
import type { Awaitable, TaskInfo, TaskOptions } from '../contract/tasks';
import { invalidArgument } from '../arguments/validate';
import { contextStorage } from '../waiting/context';
import { type ScopeWithBody, runIn } from './body-scope';
import { createCancellation, cancelledErrorIn, failureIn, NO_ERROR } from './cancellation';
import { noteStart } from './start-site';
import { taskEnd, taskStart } from './diagnostics';
import { ScopeNode } from './scope-node';
import { TaskLimit } from './task-limit';
import { QueuedOperation, WaitQueue } from './wait-queue';

export function checkTaskOptions(options: TaskOptions | undefined): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || (options as unknown) === null)
    throw invalidArgument('options', 'an object', options);
  const { name, owns } = options;
  if (name !== undefined && typeof (name as unknown) !== 'string')
    throw invalidArgument('options.name', 'a string', name);
  if (
    owns !== undefined &&
    typeof (owns as Partial<Disposable> | null)?.[Symbol.dispose] !== 'function'
  )
    throw invalidArgument('options.owns', 'an object with a [Symbol.dispose] method', owns);
}

/** The group or the bootstrap that runs a task. */
export interface TaskOwner {
  readonly backend: Concurrency;
  /**
   * Called when the task is done and out of the tree. `error` is undefined if the task completed or
   * absorbed its own cancellation; otherwise it is the failure, or the cancellation from outside
   * that ended the task.
   */
  taskEnded(task: TaskNode, error: unknown): void;
}

/** A checkpoint of another task that waits for the end of this one. */
export abstract class EndWaiter<T> extends QueuedOperation<T> {
  abstract taskEnded(): void;
}

let lastId = 0;

/**
 * A task, which is the scope around all that it runs: to cancel the task is to cancel that scope.
 * Its parent is the scope of its group, no matter which task started it.
 */
export class TaskNode extends ScopeNode implements ScopeWithBody {
  readonly id = ++lastId;
  readonly owner: TaskOwner;
  readonly #owned: Disposable | null;
  #fn: (() => Awaitable<unknown>) | null;
  /** The name alone, until the info is asked for. */
  #info: TaskInfo | string;

  state: 'waiting' | 'running' | 'completed' | 'failed' | 'cancelled' = 'waiting';
  /** The value of a completed task, the error of a failed one, the CancelledError of another. */
  outcome: unknown = undefined;
  #waiters: WaitQueue<unknown, EndWaiter<unknown>> | null = null;

  constructor(
    owner: TaskOwner,
    parent: ScopeNode,
    fn: () => Awaitable<unknown>,
    name?: string,
    owned: Disposable | null = null,
  ) {
    super();
    this.owner = owner;
    this.#owned = owned;
    this.#fn = fn;
    this.#info = name ?? fn.name;
    this.task = this;
    this.enterUnder(parent);
  }

  get name(): string {
    const info = this.#info;
    if (typeof info !== 'string') return info.name;
    return info === '' ? `task-${this.id}` : info;
  }

  get info(): TaskInfo {
    if (typeof this.#info === 'string')
      this.#info = Object.freeze({ id: this.id, name: this.name });
    return this.#info;
  }

  get isDone(): boolean {
    return this.state !== 'waiting' && this.state !== 'running';
  }

  /** Runs the task's function, on top of the caller's async context, unless it was withdrawn. */
  begin(): void {
    const fn = this.#fn;
    if (fn === null) return;
    this.#fn = null;
    this.state = 'running';
    if (taskStart.hasSubscribers)
      taskStart.publish({ task: this.info, parent: currentTask()?.info });
    void runIn(this, fn);
  }

  /** Removes the task before it has begun. */
  withdraw(): void {
    this.#fn = null;
    this.leave();
  }

  /** False if the task has already ended. */
  cancel(): boolean {
    if (this.isDone) return false;
    if (this.ownCancellation === null)
      this.cancelWith(createCancellation(this, `Task "${this.name}" was cancelled`));
    return true;
  }

  /** `waiter` is called at the end of this task, which is not done yet. */
  addWaiter(waiter: EndWaiter<unknown>): void {
    (this.#waiters ??= new WaitQueue()).push(waiter);
  }

  describe(): string {
    return `task "${this.name}"`;
  }

  bodyEnded(value: unknown): void {
    this.leave();
    // A task that returns leaves what it owns alone, except its place among others.
    if (this.#owned !== null && this.#owned instanceof TaskLimit) this.#owned.release();
    this.end('completed', value, undefined);
  }

  /** Whether the task disposes of `resource` if its function fails or is cancelled. */
  disposesOf(resource: Disposable): boolean {
    return this.#owned === resource;
  }

  bodyFailed(thrown: unknown): void {
    const error = this.#owned === null ? thrown : disposeAfter(thrown, this.#owned);
    const rest = this.leaveWith(error);
    const failure = rest === NO_ERROR ? NO_ERROR : failureIn(rest, this);
    if (failure === NO_ERROR) {
      this.end('cancelled', cancelledErrorIn(error), rest === NO_ERROR ? undefined : rest);
    } else {
      noteStart(failure, this);
      this.end('failed', failure, failure);
    }
  }

  private end(state: 'completed' | 'failed' | 'cancelled', outcome: unknown, error: unknown): void {
    this.state = state;
    this.outcome = outcome;
    if (taskEnd.hasSubscribers) {
      taskEnd.publish({
        task: this.info,
        outcome: state,
        ...(state === 'completed' ? undefined : { error: outcome }),
      });
    }
    if (this.#waiters !== null) {
      for (let waiter = this.#waiters.shift(); waiter !== null; waiter = this.#waiters.shift())
        waiter.taskEnded();
    }
    this.owner.taskEnded(this, error);
  }
}

/** Disposes of a resource. Returns `error`, with the error of disposing if there is one. */
function disposeAfter(error: unknown, owned: Disposable): unknown {
  try {
    owned[Symbol.dispose]();
    return error;
  } catch (thrown) {
    return new AggregateError(
      [error, thrown],
      'A task failed, and so did disposing of the resource that it owns',
    );
  }
}

/** The task that the caller runs in, or null. Code that has outlived its task still runs in it. */
export function currentTask(): TaskNode | null {
  return ((contextStorage.getStore() as ScopeNode | undefined)?.task ?? null) as TaskNode | null;
}

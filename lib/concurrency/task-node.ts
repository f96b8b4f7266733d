import type { Concurrency } from '../contract/concurrency';
import { invalidArgument } from '../arguments/validate';
import { contextStorage } from '../waiting/context';
import { type Enclosure, runIn } from './body-scope';
import { cancellationOf, cancelledErrorIn, failureIn, NOTHING } from './cancellation';
import { noteStart } from './start-site';
import { taskEnd, taskStart } from './diagnostics';
import { ScopeNode } from './scope-node';
import type { Awaitable, TaskInfo, TaskOptions } from '../contract/tasks';
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

/** Who runs a task: its group, or `bootstrap`. */
export interface TaskOwner {
  readonly backend: Concurrency;
  /**
   * The task is done, and out of the tree. `error` is undefined unless it failed, or was ended by a
   * cancellation that is not its own.
   */
  taskEnded(task: TaskNode, error: unknown): void;
}

/** A checkpoint that waits for the end of a task. */
export abstract class EndWaiter<T> extends QueuedOperation<T> {
  abstract taskEnded(): void;
}

let lastId = 0;

/**
 * A task, and the scope around all that it runs: cancelling the task is cancelling that scope. It
 * is a child of its group's scope, whoever started it.
 */
export class TaskNode extends ScopeNode implements Enclosure {
  readonly id = ++lastId;
  readonly owner: TaskOwner;
  readonly #owned: Disposable | null;
  #fn: (() => Awaitable<unknown>) | null;
  /** A name alone, until somebody asks for more. */
  #info: TaskInfo | string;

  state: 'waiting' | 'running' | 'completed' | 'failed' | 'cancelled' = 'waiting';
  /**
   * Of a completed task its value, of a failed one its error, of a cancelled one the
   * CancelledError.
   */
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

  /** Runs it, in the context of the caller. Does nothing if it was withdrawn. */
  begin(): void {
    const fn = this.#fn;
    if (fn === null) return;
    this.#fn = null;
    this.state = 'running';
    if (taskStart.hasSubscribers)
      taskStart.publish({ task: this.info, parent: currentTask()?.info });
    void runIn(this, fn);
  }

  /** Takes it out before it has begun: it never was. */
  withdraw(): void {
    this.#fn = null;
    this.leave();
  }

  /** False if there is nothing left to cancel. */
  cancel(): boolean {
    if (this.isDone) return false;
    if (this.ownCancellation === null)
      this.cancelWith(cancellationOf(this, `Task "${this.name}" was cancelled`));
    return true;
  }

  /**
   * @param waiter a checkpoint of somebody else: it is told of the end. The task is not done yet.
   */
  addWaiter(waiter: EndWaiter<unknown>): void {
    (this.#waiters ??= new WaitQueue()).push(waiter);
  }

  describe(): string {
    return `task "${this.name}"`;
  }

  bodyEnded(value: unknown): void {
    this.leave();
    this.end('completed', value, undefined);
  }

  /** Whether the task disposes of `resource` if it does not complete. */
  disposesOf(resource: Disposable): boolean {
    return this.#owned === resource;
  }

  bodyFailed(thrown: unknown): void {
    const error = this.#owned === null ? thrown : disposeAfter(thrown, this.#owned);
    const rest = this.leaveWith(error);
    const failure = rest === NOTHING ? NOTHING : failureIn(rest, this);
    if (failure === NOTHING) {
      this.end('cancelled', cancelledErrorIn(error), rest === NOTHING ? undefined : rest);
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

/** Disposes of a resource after `error`. Returns the error, with that of disposing if there is one. */
function disposeAfter(error: unknown, owned: Disposable): unknown {
  try {
    owned[Symbol.dispose]();
    return error;
  } catch (thrown) {
    return new AggregateError([error, thrown], 'A task failed, and disposing of its resource, too');
  }
}

/**
 * The task that runs the caller; null outside of any. Code that has outlived its task is still that
 * task's.
 */
export function currentTask(): TaskNode | null {
  return ((contextStorage.getStore() as ScopeNode | undefined)?.task ?? null) as TaskNode | null;
}

import type { CancelScope } from './scopes';

/** The result of an `async` function or of a plain one: a value, or a promise of it. */
export type Awaitable<T> = T | PromiseLike<T>;

/** Identifies a task in logs and comparisons. Ids are unique within a thread. */
export interface TaskInfo {
  readonly id: number;
  readonly name: string;
}

/** Options of a new task. */
export interface TaskOptions {
  /** The name in logs and in the task tree. Default: the function's. */
  readonly name?: string;
  /**
   * A resource that the task owns. If `fn` fails or is cancelled, the task disposes of it (by
   * `Symbol.dispose`) before the group learns of the failure: it cannot have passed the resource
   * on. A task whose `fn` returns leaves the resource alone. An error that disposing throws joins
   * the task's error in an AggregateError.
   */
  readonly owns?: Disposable;
}

/** Options of a root task. */
export interface BootstrapOptions {
  /** The name in logs and in the task tree. Default: the function's. */
  readonly name?: string;
  /** Cancels the root task, and everything that it started, when it aborts. */
  readonly signal?: AbortSignal;
}

/**
 * A task that `start` of a group has started. Its group deals with its failure: no other code needs
 * to join the task for its error to be seen, and a rejection of `join` is never an unhandled one.
 */
export interface Task<R> {
  readonly info: TaskInfo;
  /** True once the task has ended, with or without a result. */
  done(): boolean;
  /**
   * Cancels the task, which feels it at its current or next checkpoint. Its siblings and its group
   * do not. False if the task has already ended.
   */
  cancel(): boolean;
  /** True if the task ended with CancelledError, no matter what cancelled it. */
  cancelled(): boolean;
  /**
   * A checkpoint: waits until the task has ended. Never rejects with the task's error. Cancelling
   * the waiter does not cancel the task.
   * @throws InvalidStateError, as a rejection, within the task itself
   */
  wait(): Promise<void>;
  /**
   * A checkpoint: resolves to the task's result, or rejects with its error, or with CancelledError
   * if the task was cancelled. May be called any number of times. Cancelling the waiter does not
   * cancel the task.
   * @throws InvalidStateError, as a rejection, within the task itself
   */
  join(): Promise<R>;
  /**
   * Like `join`, but cancelling the waiter cancels the task, too, and waits for its end. If the
   * task fails, this rejects with its error; if the task swallows the cancellation, this resolves
   * to its value (the waiter feels its own cancellation at its next checkpoint); otherwise it
   * rejects with the waiter's CancelledError.
   * @throws InvalidStateError, as a rejection, within the task itself
   */
  joinOrCancel(): Promise<R>;
}

/**
 * Tasks that belong together: `run` ends only when all of them have, and the first failure cancels
 * the rest. Made by `createTaskGroup` of a backend.
 */
export interface TaskGroup {
  /** The scope around the body and all tasks. */
  readonly cancelScope: CancelScope;
  /**
   * Opens the group, once, runs `body` (which begins at once), and settles when `body` and every
   * task have ended: no task outlives its group. The first failure of body or task cancels the
   * rest, with that failure as the `cause`.
   *
   * Resolves to the result of `body`, and to undefined if the group's own `cancelScope` ended
   * `body`. Rejects with the error of `body` if nothing else failed; with an AggregateError of all
   * failures if any task failed (CancelledErrors are left out, nested AggregateErrors stay nested);
   * with the CancelledError of an outer scope if that ended body or a task.
   *
   * @throws InvalidStateError (`ERR_INVALID_STATE`), as a rejection, if the group has run before
   */
  run<R>(body: (group: this) => Awaitable<R>): Promise<R | undefined>;
  /**
   * Starts a task. It begins after the caller's current turn, in the order of the calls and in the
   * caller's context. A cancelled group that is still open takes the task; the task feels the
   * cancellation at its first checkpoint. What `fn` throws, at once or later, is the task's
   * failure.
   *
   * @throws InvalidStateError (`ERR_INVALID_STATE`) unless the group is open; TypeError if `fn` is
   *   not a function
   *
   * @example
   * await backend.createTaskGroup().run((group) => {
   *   group.startSoon(() => console.log('task')); // → body
   *   console.log('body'); // → task
   * });
   */
  startSoon(fn: () => Awaitable<unknown>, options?: TaskOptions): void;
  /**
   * A checkpoint: starts a task and resolves when it has begun to run, even if it failed at once.
   * Cancelled, it has started no task.
   * @throws InvalidStateError and TypeError as `startSoon` does, as rejections
   *
   * @example
   * const answer = await backend.createTaskGroup().run(async (group) => {
   *   const task = await group.start(() => backend.sleep(5).then(() => 42));
   *   return task.join();
   * });
   * console.log(answer); // → 42
   */
  start<R>(fn: () => Awaitable<R>, options?: TaskOptions): Promise<Task<R>>;
}

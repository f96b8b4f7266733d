import type { Concurrency } from '../contract/concurrency';
import type * as contract from '../contract/tasks';
import type { Awaitable, TaskOptions } from '../contract/tasks';
import { inspect } from 'node:util';
import { InvalidStateError } from '../errors';
import { currentScope } from '../waiting/context';
import { cancelled, markHandled, isCancelled, Operation } from '../waiting/operation';
import { checkFunction } from '../arguments/validate';
import { callIn } from './body-scope';
import { CancelScope } from './cancel-scope';
import {
  cancellationOf,
  concerns,
  failureIn,
  isCancellation,
  isPartlyOf,
  NOTHING,
} from './cancellation';
import type { Deadlines } from './deadlines';
import { noteStartSite } from './start-site';
import type { ScopeNode } from './scope-node';
import { Task } from './task';
import { checkTaskOptions, TaskNode } from './task-node';

class GroupScope extends CancelScope {
  override run<R>(): Promise<R | undefined> {
    return Promise.reject<R>(
      new InvalidStateError('This scope is that of a task group: call run() of the group'),
    );
  }

  override describe(): string {
    return 'task group';
  }
}

/** Waits for a task to begin. Cancelled before, it takes the task back. */
class Start<R> extends Operation<Task<R>> {
  readonly #group: TaskGroup;
  readonly #node: TaskNode;

  constructor(group: TaskGroup, node: TaskNode) {
    super();
    this.#group = group;
    this.#node = node;
  }

  /** In a microtask of the starter's. */
  begin(): void {
    if (this.#node.isLeft) return;
    // First: what the task does in its first step could cancel the starter, and `start` has been
    // successful by then.
    this.settle(new Task<R>(this.#node));
    this.#node.begin();
  }

  protected withdraw(): void {
    this.#node.withdraw();
    this.#group.taskEnded(this.#node, undefined);
  }

  describe(): string {
    return `start of ${this.#node.describe()}`;
  }
}

/**
 * A microtask from here has the context of its caller, and no object of its own but the promise.
 */
const SOON: Promise<void> = Promise.resolve();

/**
 * Tasks that belong together: `run` does not end before all of them have, and the first that fails
 * cancels the rest. Made by `createTaskGroup` of a backend.
 */
export class TaskGroup implements contract.TaskGroup {
  readonly cancelScope: CancelScope;
  /** @internal */
  readonly backend: Concurrency;

  #state: 'new' | 'open' | 'ended' = 'new';
  #tasks = 0;
  /** Of tasks, in the order in which they failed. */
  readonly #failures: unknown[] = [];
  /** A cancellation that ended a task is this group's, or comes from further outside. */
  #isReached = false;
  /** One that ended a task is this group's. */
  #isOwnReached = false;
  #onEmpty: (() => void) | null = null;
  #running: Promise<unknown> | null = null;

  /** @internal */
  constructor(backend: Concurrency, deadlines: Deadlines) {
    this.backend = backend;
    this.cancelScope = new GroupScope(deadlines, Infinity);
  }

  run<R>(body: (group: this) => Awaitable<R>): Promise<R | undefined> {
    const scope = this.cancelScope;
    try {
      checkFunction('body', body);
      if (this.#state !== 'new')
        throw new InvalidStateError('This task group has run before: make a new one for each run');
      scope.enter();
    } catch (error) {
      return Promise.reject<R>(error);
    }
    this.#state = 'open';
    const result = callIn(scope, body, this);
    const running: Promise<R | undefined> = (
      result instanceof Promise ? result : Promise.resolve(result)
    ).then(
      (value) => this.#whenEmpty(() => this.#conclude(value)),
      (error: unknown) => {
        this.#cancelRest(failureIn(error, scope), 'The body of the task group has failed');
        return this.#whenEmpty(() => this.#concludeFailed(error));
      },
    );
    this.#running = running;
    return running;
  }

  startSoon(fn: () => Awaitable<unknown>, options?: TaskOptions): void {
    this.spawnSoon(fn, options);
  }

  start<R>(fn: () => Awaitable<R>, options?: TaskOptions): Promise<Task<R>> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    try {
      const start = new Start<R>(this, this.#spawn(fn, options)).enter(scope);
      void SOON.then(() => {
        start.begin();
      });
      return start.promise;
    } catch (error) {
      return Promise.reject<Task<R>>(error);
    }
  }

  /** @internal */
  spawnSoon(fn: () => Awaitable<unknown>, options?: TaskOptions): TaskNode {
    const node = this.#spawn(fn, options);
    void SOON.then(() => {
      node.begin();
    });
    return node;
  }

  #spawn(fn: () => Awaitable<unknown>, options: TaskOptions | undefined): TaskNode {
    checkFunction('fn', fn);
    checkTaskOptions(options);
    if (this.#state !== 'open') throw this.#notOpen();
    this.#tasks++;
    const node = new TaskNode(this, this.cancelScope, fn, options?.name, options?.owns);
    noteStartSite(node);
    return node;
  }

  /** @internal */
  taskEnded(task: TaskNode, error: unknown): void {
    if (task.state === 'failed') {
      this.#failures.push(error);
      this.#cancelRest(error, `${task.describe()} of the group has failed`);
    } else if (error !== undefined) {
      this.taskCancelled(error);
    }
    if (--this.#tasks === 0 && this.#onEmpty !== null) this.#onEmpty();
  }

  /** A task was ended by a cancellation that is not its own. @internal */
  protected taskCancelled(error: unknown): void {
    this.#isReached ||= concerns(error, this.cancelScope);
    this.#isOwnReached ||= isPartlyOf(error, this.cancelScope);
  }

  #cancelRest(failure: unknown, why: string): void {
    const scope = this.cancelScope;
    if (scope.cancellation !== null) return;
    scope.cancelWith(
      cancellationOf(scope, why, failure === NOTHING ? undefined : { cause: failure }),
    );
  }

  #whenEmpty<R>(conclude: () => R): R | Promise<R> {
    if (this.#tasks === 0) return conclude();
    return new Promise((resolve, reject) => {
      this.#onEmpty = () => {
        try {
          resolve(conclude());
        } catch (error) {
          reject(error);
        }
      };
    });
  }

  #conclude<R>(value: R): R {
    const scope = this.cancelScope;
    const outer = scope.isOuterCancelled ? (scope.parent as ScopeNode).cancellation : null;
    this.#leave(this.#isOwnReached);
    if (this.#failures.length > 0) throw failedTogether(this.#failures);
    // The body was through, but not all of its tasks: whoever is outside must know.
    if (this.#isReached && outer !== null) throw this.#quietly(outer);
    return value;
  }

  #concludeFailed(error: unknown): undefined {
    const scope = this.cancelScope;
    const failure = failureIn(error, scope);
    if (this.#failures.length > 0) {
      this.#leave(this.#isOwnReached || isPartlyOf(error, scope));
      throw failedTogether(failure === NOTHING ? this.#failures : [failure, ...this.#failures]);
    }
    this.#state = 'ended';
    const rest = scope.leaveWith(error);
    if (rest === NOTHING) return undefined;
    throw this.#quietly(rest);
  }

  #leave(isReached: boolean): void {
    const scope = this.cancelScope;
    this.#state = 'ended';
    if (isReached && scope.ownCancellation !== null && !scope.isOuterCancelled)
      scope.isCaught = true;
    scope.leave();
  }

  /** A cancelled group that nobody awaits is no unhandled rejection; a failed one is. */
  #quietly(error: unknown): unknown {
    if (isCancellation(error) && this.#running !== null) markHandled(this.#running);
    return error;
  }

  #notOpen(): InvalidStateError {
    return new InvalidStateError(
      this.#state === 'new'
        ? 'This task group is not open yet: start its tasks within the body of its run()'
        : 'This task group has ended, and no task may outlive its group: start tasks before its body and its last task end',
    );
  }
}

function failedTogether(failures: readonly unknown[]): AggregateError {
  const [first] = failures;
  const message = first instanceof Error ? first.message : inspect(first, { depth: 0 });
  const count =
    failures.length === 1
      ? '1 error in a task group'
      : `${failures.length} errors in a task group, the first`;
  return new AggregateError(failures, `${count}: ${message}`);
}

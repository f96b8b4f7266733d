import { inspect } from 'node:util';
import type { Concurrency } from '../contract/concurrency';
import type * as contract from '../contract/tasks';
import type { Awaitable, TaskOptions } from '../contract/tasks';
import { InvalidStateError, isError } from '../errors';
import { currentScope } from '../waiting/context';
import {
  cancelled,
  inTurn,
  isCancelled,
  markHandled,
  Operation,
  rejected,
} from '../waiting/operation';
import { spendStep } from '../waiting/turn-budget';
import { checkFunction } from '../arguments/validate';
import { callIn } from './body-scope';
import { CancelScope } from './cancel-scope';
import {
  createCancellation,
  comesFromScopeOrOuter,
  failureIn,
  isCancellation,
  comesFromScope,
  NO_ERROR,
} from './cancellation';
import type { Deadlines } from './deadlines';
import { noteStartSite } from './start-site';
import type { ScopeNode } from './scope-node';
import { Task } from './task';
import { checkTaskOptions, TaskNode } from './task-node';

class GroupScope extends CancelScope {
  override run<R>(): Promise<R | undefined> {
    return Promise.reject<R>(
      new InvalidStateError(
        'The scope of a task group cannot be run by itself: call run() of the group',
      ),
    );
  }

  override describe(): string {
    return 'task group';
  }
}

/** Waits for a task to begin. A cancellation before that withdraws the task. */
class Start<R> extends Operation<Task<R>> {
  readonly #group: TaskGroup;
  readonly #node: TaskNode;

  constructor(group: TaskGroup, node: TaskNode) {
    super();
    this.#group = group;
    this.#node = node;
  }

  /** Called in a microtask, in the context of the caller of `start`. */
  begin(): void {
    if (this.#node.isLeft) return;
    // `start` has succeeded before the first step of the task, which could cancel the caller.
    this.settleInTurn(new Task<R>(this.#node));
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

/** `then` of this promise queues a microtask that keeps the context of its caller. */
const RESOLVED: Promise<void> = Promise.resolve();

/** The group of `createTaskGroup`. */
export class TaskGroup implements contract.TaskGroup {
  readonly cancelScope: CancelScope;
  readonly backend: Concurrency;

  #state: 'new' | 'open' | 'ended' = 'new';
  #tasks = 0;
  /** The errors of tasks, in the order in which the tasks failed. */
  readonly #failures: unknown[] = [];
  /** A task was ended by the cancellation of this group's scope or of a scope around it. */
  #wasCancelled = false;
  /** A task was ended by the cancellation of this group's own scope. */
  #wasCancelledByOwnScope = false;
  #onEmpty: (() => void) | null = null;
  #running: Promise<unknown> | null = null;

  constructor(backend: Concurrency, deadlines: Deadlines) {
    this.backend = backend;
    this.cancelScope = new GroupScope(deadlines, Infinity);
  }

  run<R>(body: (group: this) => Awaitable<R>): Promise<R | undefined> {
    const scope = this.cancelScope;
    try {
      checkFunction('body', body);
      if (this.#state !== 'new')
        throw new InvalidStateError(
          'This task group has run before, and a group runs once: make a new one for each run',
        );
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
      void RESOLVED.then(() => {
        start.begin();
      });
      return start.promise;
    } catch (error) {
      return rejected(error);
    }
  }

  spawnSoon(fn: () => Awaitable<unknown>, options?: TaskOptions): TaskNode {
    const node = this.#spawn(fn, options);
    void RESOLVED.then(() => {
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

  taskEnded(task: TaskNode, error: unknown): void {
    if (task.state === 'failed') {
      this.#failures.push(error);
      this.#cancelRest(error, `${task.describe()} of the group has failed`);
    } else if (error !== undefined) {
      this.taskCancelled(error);
    }
    if (--this.#tasks === 0 && this.#onEmpty !== null) this.#onEmpty();
  }

  /** Called when a cancellation other than the task's own has ended a task. */
  protected taskCancelled(error: unknown): void {
    this.#wasCancelled ||= comesFromScopeOrOuter(error, this.cancelScope);
    this.#wasCancelledByOwnScope ||= comesFromScope(error, this.cancelScope);
  }

  #cancelRest(failure: unknown, why: string): void {
    const scope = this.cancelScope;
    if (scope.cancellation !== null) return;
    scope.cancelWith(
      createCancellation(scope, why, failure === NO_ERROR ? undefined : { cause: failure }),
    );
  }

  #whenEmpty<R>(conclude: () => R): R | Promise<R> {
    if (this.#tasks === 0) return concludeInTurn(conclude);
    return new Promise((resolve, reject) => {
      this.#onEmpty = () => {
        try {
          resolve(concludeInTurn(conclude));
        } catch (error) {
          reject(error);
        }
      };
    });
  }

  #conclude<R>(value: R): R {
    const scope = this.cancelScope;
    const outer = scope.isOuterCancelled ? (scope.parent as ScopeNode).cancellation : null;
    this.#leave(this.#wasCancelledByOwnScope);
    if (this.#failures.length > 0) throw failedTogether(this.#failures);
    // The body completed, but a task was cancelled from outside: the outer scope has to know.
    if (this.#wasCancelled && outer !== null) throw this.#markIfCancellation(outer);
    return value;
  }

  #concludeFailed(error: unknown): undefined {
    const scope = this.cancelScope;
    const failure = failureIn(error, scope);
    if (this.#failures.length > 0) {
      this.#leave(this.#wasCancelledByOwnScope || comesFromScope(error, scope));
      throw failedTogether(failure === NO_ERROR ? this.#failures : [failure, ...this.#failures]);
    }
    this.#state = 'ended';
    const rest = scope.leaveWith(error);
    if (rest === NO_ERROR) return undefined;
    throw this.#markIfCancellation(rest);
  }

  #leave(wasCancelled: boolean): void {
    const scope = this.cancelScope;
    this.#state = 'ended';
    if (wasCancelled && scope.ownCancellation !== null && !scope.isOuterCancelled)
      scope.isCaught = true;
    scope.leave();
  }

  /** A cancellation of a group that is not awaited is no unhandled rejection. A failure is. */
  #markIfCancellation(error: unknown): unknown {
    if (isCancellation(error) && this.#running !== null) markHandled(this.#running);
    return error;
  }

  #notOpen(): InvalidStateError {
    return new InvalidStateError(
      this.#state === 'new'
        ? 'This task group is not open yet: start its tasks in the body of its run()'
        : 'This task group has ended: start tasks while its body or another of its tasks runs',
    );
  }
}

function failedTogether(failures: readonly unknown[]): AggregateError {
  const [first] = failures;
  const message = isError(first) ? first.message : inspect(first, { depth: 0 });
  const count =
    failures.length === 1
      ? '1 error in a task group'
      : `${failures.length} errors in a task group, the first`;
  return new AggregateError(failures, `${count}: ${message}`);
}

/** Ends a group: its code goes on in the next turn if the turn's budget is spent. */
function concludeInTurn<R>(conclude: () => R): R | Promise<R> {
  if (spendStep()) return conclude();
  return inTurn(
    new Promise((resolve) => {
      resolve(conclude());
    }),
  );
}

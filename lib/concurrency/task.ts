import { inspect, type InspectOptions } from 'node:util';
import type * as contract from '../contract/tasks';
import type { TaskInfo } from '../contract/tasks';
import { type CancelledError, InvalidStateError } from '../errors';
import { currentScope } from '../waiting/context';
import { cancelled, markHandled, isCancelled, rejected, resolved } from '../waiting/operation';
import { currentTask, EndWaiter, type TaskNode } from './task-node';

class Wait extends EndWaiter<void> {
  readonly #task: TaskNode;

  constructor(task: TaskNode) {
    super();
    this.#task = task;
  }

  taskEnded(): void {
    this.settle();
  }

  describe(): string {
    return `wait for ${this.#task.describe()}`;
  }
}

class Join<R> extends EndWaiter<R> {
  readonly task: TaskNode;

  constructor(task: TaskNode) {
    super();
    this.task = task;
  }

  taskEnded(): void {
    if (this.task.state === 'completed') {
      this.settle(this.task.outcome as R);
    } else {
      markHandled(this.promise);
      this.fail(this.task.outcome);
    }
  }

  describe(): string {
    return `join ${this.task.describe()}`;
  }
}

class JoinOrCancel<R> extends Join<R> {
  #cancellation: CancelledError | null = null;

  /** Cancels the task, and goes on waiting for its end, where the scope cannot cancel it again. */
  override cancel(reason: CancelledError): void {
    this.leave();
    this.#cancellation = reason;
    this.task.cancel();
  }

  override taskEnded(): void {
    if (this.#cancellation !== null && this.task.state === 'cancelled') {
      markHandled(this.promise);
      this.fail(this.#cancellation);
    } else {
      super.taskEnded();
    }
  }
}

/** The handle of a task that `group.start` has started. */
export class Task<R> implements contract.Task<R> {
  readonly #node: TaskNode;

  constructor(node: TaskNode) {
    this.#node = node;
  }

  get info(): TaskInfo {
    return this.#node.info;
  }

  done(): boolean {
    return this.#node.isDone;
  }

  cancel(): boolean {
    return this.#node.cancel();
  }

  cancelled(): boolean {
    return this.#node.state === 'cancelled';
  }

  wait(): Promise<void> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    if (this.#node.isDone) return resolved(undefined);
    if (currentTask() === this.#node) return rejected(this.#ownEnd());
    return this.#enqueue(new Wait(this.#node).enter(scope));
  }

  join(): Promise<R> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    if (this.#node.isDone) return this.#result();
    if (currentTask() === this.#node) return rejected(this.#ownEnd());
    return this.#enqueue(new Join<R>(this.#node).enter(scope));
  }

  joinOrCancel(): Promise<R> {
    const scope = currentScope();
    const node = this.#node;
    if (node.isDone)
      return node.state === 'cancelled' && isCancelled(scope) ? cancelled(scope) : this.#result();
    if (currentTask() === node) return rejected(this.#ownEnd());
    const waiter = new JoinOrCancel<R>(node);
    if (isCancelled(scope)) waiter.cancel(scope.cancellation);
    else waiter.enter(scope);
    return this.#enqueue(waiter);
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    return `Task ${inspect({ ...this.info, state: this.#node.state }, options)}`;
  }

  #result(): Promise<R> {
    const { state, outcome } = this.#node;
    if (state === 'completed') return resolved(outcome as R);
    const failed = rejected(outcome);
    markHandled(failed);
    return failed;
  }

  #enqueue<T>(waiter: EndWaiter<T>): Promise<T> {
    this.#node.addWaiter(waiter);
    return waiter.promise;
  }

  #ownEnd(): InvalidStateError {
    return new InvalidStateError(
      `Task "${this.info.name}" cannot wait for its own end: wait in another task`,
    );
  }
}

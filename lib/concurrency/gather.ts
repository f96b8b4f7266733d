import type { Concurrency, Gathered } from '../contract/concurrency';
import type { Awaitable } from '../contract/tasks';
import type { CancelledError } from '../errors';
import { currentScope } from '../waiting/context';
import { cancelled, markHandled, isCancelled } from '../waiting/operation';
import { checkFunction } from '../arguments/validate';
import { createCancellation, cancelledErrorIn, isCancellation } from './cancellation';
import type { Deadlines } from './deadlines';
import { TaskGroup } from './task-group';
import type { TaskNode } from './task-node';

/**
 * A group that needs the result of every task. A task that ends with a CancelledError of another
 * scope, or of its own making, has none and cancels the others.
 */
class GatherGroup extends TaskGroup {
  /** The CancelledError of the first task without a result. */
  withoutResult: CancelledError | null = null;

  protected override taskCancelled(error: unknown): void {
    super.taskCancelled(error);
    this.withoutResult ??= cancelledErrorIn(error);
    if (this.cancelScope.cancellation !== null) return;
    this.cancelScope.cancelWith(
      createCancellation(this.cancelScope, 'Another function of gather() was cancelled', {
        cause: error,
      }),
    );
  }
}

/** See `Concurrency.gather`. */
export function gather<T extends readonly (() => Awaitable<unknown>)[]>(
  backend: Concurrency,
  deadlines: Deadlines,
  fns: T,
): Promise<Gathered<T>> {
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  try {
    fns.forEach((fn, index) => checkFunction(`fns[${index}]`, fn));
  } catch (error) {
    return Promise.reject<Gathered<T>>(error);
  }
  const group = new GatherGroup(backend, deadlines);
  let tasks: TaskNode[] = [];
  const running: Promise<Gathered<T>> = group
    .run(() => {
      tasks = fns.map((fn) => group.spawnSoon(fn));
    })
    .then(
      () => {
        if (group.withoutResult !== null) {
          markHandled(running);
          // If a scope outside is cancelled, too, that scope has to absorb the error.
          throw scope?.cancellation ?? group.withoutResult;
        }
        return tasks.map((task) => task.outcome) as Gathered<T>;
      },
      (error: unknown) => {
        if (isCancellation(error)) markHandled(running);
        throw error;
      },
    );
  return running;
}

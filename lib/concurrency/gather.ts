import type { Concurrency } from '../contract/concurrency';
import type { Gathered } from '../contract/concurrency';
import type { Awaitable } from '../contract/tasks';
import type { CancelledError } from '../errors';
import { currentScope } from '../waiting/context';
import { cancelled, markHandled, isCancelled } from '../waiting/operation';
import { checkFunction } from '../arguments/validate';
import { cancellationOf, cancelledErrorIn, isCancellation } from './cancellation';
import type { Deadlines } from './deadlines';
import { TaskGroup } from './task-group';
import type { TaskNode } from './task-node';

/**
 * A group whose tasks must all have a result: one that ends without, by a cancellation of nobody's
 * here, ends the others too.
 */
class GatherGroup extends TaskGroup {
  missing: CancelledError | null = null;

  protected override taskCancelled(error: unknown): void {
    super.taskCancelled(error);
    this.missing ??= cancelledErrorIn(error);
    if (this.cancelScope.cancellation !== null) return;
    this.cancelScope.cancelWith(
      cancellationOf(this.cancelScope, 'Another function of gather() was cancelled', {
        cause: error,
      }),
    );
  }
}

/** See {@link Concurrency.gather}. */
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
        if (group.missing !== null) {
          markHandled(running);
          // A scope outside may be cancelled as well: then it is for that one to absorb.
          throw scope?.cancellation ?? group.missing;
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

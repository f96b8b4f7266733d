import type { AsyncBackend } from '../contract/backend';
import type { Awaitable } from '../concurrency/awaitable';
import { TaskGroup } from '../concurrency/task-group';
import type { Belonging } from '../concurrency/task-node';
import { BusyResourceError } from '../errors';
import { invalidArgument } from '../arguments/validate';

/** That a listener serves, once at a time, and in which group its handlers run. */
export class Serving {
  #isUnderWay = false;

  /**
   * Runs the loop that gives work to `group`, or to a group of its own: then it ends only when the
   * handlers have.
   * @throws BusyResourceError, as a rejection, while it runs already; TypeError for what is no
   *   group
   */
  async run(
    backend: AsyncBackend,
    group: TaskGroup | undefined,
    loop: (tasks: TaskGroup) => Promise<never>,
  ): Promise<never> {
    if (
      group !== undefined &&
      typeof (group as Partial<TaskGroup> | null)?.startSoon !== 'function'
    ) {
      throw invalidArgument('group', 'a task group', group);
    }
    if (this.#isUnderWay)
      throw new BusyResourceError('serve() called while the listener is serving already');
    this.#isUnderWay = true;
    try {
      if (group !== undefined) return await loop(group);
      // Resolves to undefined only if the group's own scope is cancelled, which nobody else can
      // reach.
      return await (backend.createTaskGroup().run(loop) as Promise<never>);
    } finally {
      this.#isUnderWay = false;
    }
  }
}

/**
 * Starts a handler as a task. A handler that fails or is cancelled cannot have given its connection
 * to anyone: it is closed then.
 * @throws what the group throws if it takes no more tasks
 */
export function startHandler<T extends Belonging>(
  group: TaskGroup,
  handler: (transport: T) => Awaitable<void>,
  transport: T,
): void {
  const begin = (): Awaitable<void> => handler(transport);
  if (group instanceof TaskGroup && group.startSoon === TaskGroup.prototype.startSoon) {
    // Without an async function of its own around each handler: it would be a good part of an idle
    // connection's memory.
    group.spawnSoon(begin, undefined, transport);
    return;
  }
  group.startSoon(async () => {
    try {
      await begin();
    } catch (error) {
      transport.closeNow();
      throw error;
    }
  });
}

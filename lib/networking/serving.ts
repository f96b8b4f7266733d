import type { Awaitable } from '../contract/tasks';
import type { AsyncBackend } from '../contract/backend';
import type { TaskGroup } from '../contract/tasks';
import { currentTask } from '../concurrency/task-node';
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
 * Starts a handler as a task that owns its transport: if the handler fails or is cancelled, it
 * cannot have passed the transport on, and the transport is closed.
 * @throws what the group throws if it takes no more tasks
 */
export function startHandler<T extends Disposable>(
  group: TaskGroup,
  handler: (transport: T) => Awaitable<void>,
  transport: T,
): void {
  // No async function around each handler: it would be a good part of an idle connection's memory.
  const begin = (): Awaitable<void> =>
    currentTask()?.disposesOf(transport) === true
      ? handler(transport)
      : handleAndDispose(handler, transport);
  group.startSoon(begin, { owns: transport });
}

/** For a custom group that ignores `owns`. */
async function handleAndDispose<T extends Disposable>(
  handler: (transport: T) => Awaitable<void>,
  transport: T,
): Promise<void> {
  try {
    await handler(transport);
  } catch (error) {
    transport[Symbol.dispose]();
    throw error;
  }
}

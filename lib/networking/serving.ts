import { invalidArgument } from '../arguments/validate';
import { currentTask } from '../concurrency/task-node';
import type { AsyncBackend } from '../contract/backend';
import type { Awaitable, TaskGroup } from '../contract/tasks';
import { BusyResourceError } from '../errors';

/** Lets a listener serve once at a time, and chooses the group in which its handlers run. */
export class Serving {
  #isUnderWay = false;

  /**
   * Runs `loop`, which starts handlers in `group`. Without a group, it makes one for this call, and
   * ends only when the handlers have ended.
   * @throws BusyResourceError if a loop is running already; TypeError if `group` is no task group
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
      // It could resolve to undefined only if the scope of this group were cancelled, and no other
      // code can reach that scope.
      return await (backend.createTaskGroup().run(loop) as Promise<never>);
    } finally {
      this.#isUnderWay = false;
    }
  }
}

/**
 * Starts a handler as a task that owns its transport: if the handler fails or is cancelled, the
 * transport is closed.
 * @throws what `group.startSoon` throws if the group takes no more tasks
 */
export function startHandler<T extends Disposable>(
  group: TaskGroup,
  handler: (transport: T) => Awaitable<void>,
  transport: T,
): void {
  // An async function around each handler would be a good part of an idle connection's memory, so
  // there is one only in a custom group.
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

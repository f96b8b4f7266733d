import type { AsyncBackend } from '../backends/async-backend';
import type { TaskGroup } from '../concurrency/task-group';
import { BusyResourceError } from '../errors';
import { invalidArgument } from '../internal/validate';

/** That a listener serves, once at a time, and in which group its handlers run. */
export class Serving {
  #isUnderWay = false;

  /**
   * Runs the loop that gives work to `group`, or to a group of its own: then it ends only when the handlers have.
   * @throws BusyResourceError, as a rejection, while it runs already; TypeError for what is no group
   */
  async run(backend: AsyncBackend, group: TaskGroup | undefined, loop: (tasks: TaskGroup) => Promise<never>): Promise<never> {
    if (group !== undefined && typeof (group as Partial<TaskGroup> | null)?.startSoon !== 'function') {
      throw invalidArgument('group', 'a task group', group);
    }
    if (this.#isUnderWay) throw new BusyResourceError('serve() called while the listener is serving already');
    this.#isUnderWay = true;
    try {
      if (group !== undefined) return await loop(group);
      // Resolves to undefined only if the group's own scope is cancelled, which nobody else can reach.
      return await (backend.createTaskGroup().run(loop) as Promise<never>);
    } finally {
      this.#isUnderWay = false;
    }
  }
}

import type { TaskLimit } from '../../concurrency/task-limit';
import type { Descriptor } from '../../socket/descriptor';
import { IoOperation, WOULD_BLOCK } from '../../socket/io-operation';
import { currentScope } from '../../waiting/context';
import { cancelled, isCancelled } from '../../waiting/operation';

/**
 * A checkpoint: waits until a limit of running handlers has room. It occupies the reading side of
 * the listener meanwhile, as a receive does: closing the listener by any means ends it, and the
 * process stays alive.
 */
export function waitForRoom(descriptor: Descriptor, limit: TaskLimit): Promise<void> {
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  const usageError = descriptor.usageError('read', 'serve');
  if (usageError !== null) return Promise.reject(usageError);
  return new RoomWait(descriptor, limit).enter(scope).begin().promise;
}

class RoomWait extends IoOperation<void> {
  readonly syscall = 'serve';
  readonly #limit: TaskLimit;

  constructor(descriptor: Descriptor, limit: TaskLimit) {
    super(descriptor, 'read');
    this.#limit = limit;
  }

  override describe(): string {
    return `${super.describe()}, at its limit of ${String(this.#limit.max)} running handlers`;
  }

  begin(): this {
    const { descriptor } = this;
    descriptor.reader = this;
    descriptor.reactor.ref();
    this.#limit.onChange = () => {
      this.withdraw();
      this.settle();
    };
    return this;
  }

  /** An event is only noted, by the descriptor: nothing may be received now. */
  override resume(): void {
    // The end of a handler resumes it.
  }

  protected attempt(): typeof WOULD_BLOCK {
    return WOULD_BLOCK;
  }

  override withdraw(): void {
    this.#limit.onChange = null;
    super.withdraw();
  }
}

import type { Outcome } from './failure';
import type { Fiber, Machine, Wait } from './machine';

/**
 * A lock. A release hands a fair lock at once to the task that has waited longest; a plain lock may
 * go to any task that asks for it.
 */
export class ModelLock {
  owner: Fiber | null = null;
  readonly #queue: Wait[] = [];

  constructor(readonly isFair: boolean) {}

  /**
   * Starts to acquire the lock. A lock that is handed over is held from then on, even if a
   * cancellation comes before the task goes on.
   */
  acquire(machine: Machine, wait: Wait): void {
    if (wait.outcome !== null) return;
    const free = this.owner === null;
    if (free && (this.#queue.length === 0 || machine.pick(2) === 0)) {
      this.owner = wait.fiber;
      machine.settle(wait, { value: 'ok' });
      return;
    }
    this.#queue.push(wait);
    wait.withdraw = () => this.#queue.splice(this.#queue.indexOf(wait), 1);
    wait.mayEnd = () => this.owner === null && (!this.isFair || this.#queue[0] === wait);
    wait.finish = () => {
      wait.withdraw();
      this.owner = wait.fiber;
      return { value: 'ok' };
    };
  }

  fingerprint(): string {
    return [this.owner?.name, ...this.#queue.map(({ fiber }) => fiber.name)].join();
  }

  release(machine: Machine): void {
    this.owner = null;
    const [next] = this.#queue;
    if (this.isFair && next !== undefined) machine.settle(next, next.finish());
  }
}

export class ModelCondition {
  readonly waiters: Wait[] = [];
  constructor(readonly lock: ModelLock) {}
}

export class ModelEvent {
  isSet = false;
  readonly waiters = new Set<Wait>();
}

export class ModelPromise {
  outcome: Outcome | null = null;
}

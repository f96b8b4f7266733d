import { currentScope } from '../waiting/context';
import { cancelled, isCancelled } from '../waiting/operation';
import type { Deadlines } from './deadlines';
import { QueuedOperation, WaitQueue } from './wait-queue';

class Turn extends QueuedOperation<void> {
  describe(): string {
    return 'yield';
  }
}

/**
 * Those who let others run first: however many they are, one callback of the event loop serves them
 * all, in their order.
 */
export class Turns {
  readonly #deadlines: Deadlines;
  #waiting = new WaitQueue<void>();
  #isDue = false;

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
  }

  /** A checkpoint: everything that is ready, and pending I/O, runs once. */
  pass(): Promise<void> {
    const scope = currentScope();
    return isCancelled(scope) ? cancelled(scope) : this.#enqueue(new Turn().enter(scope));
  }

  /** The same, but no cancellation reaches it. */
  passShielded(): Promise<void> {
    return this.#enqueue(new Turn());
  }

  #enqueue(turn: Turn): Promise<void> {
    this.#waiting.push(turn);
    if (!this.#isDue) {
      this.#isDue = true;
      this.#deadlines.clock.nextTurn(this.#come);
    }
    return turn.promise;
  }

  readonly #come = (): void => {
    this.#isDue = false;
    // A deadline that passed while code was busy is felt here, not only when the alarm gets its
    // turn.
    this.#deadlines.expire();
    const waiting = this.#waiting;
    this.#waiting = new WaitQueue();
    for (let turn = waiting.shift(); turn !== null; turn = waiting.shift()) turn.settle();
  };
}

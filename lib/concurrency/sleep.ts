import { currentScope } from '../waiting/context';
import { cancelled, isCancelled, Operation } from '../waiting/operation';
import { type Deadlines, OUT, type Timed } from './deadlines';
import { QueuedOperation, WaitQueue } from './wait-queue';

class Sleep extends Operation<void> implements Timed {
  readonly due: number;
  order = 0;
  place = OUT;
  earlier: Timed | null = null;
  later: Timed | null = null;
  readonly #deadlines: Deadlines;

  constructor(deadlines: Deadlines, due: number) {
    super();
    this.#deadlines = deadlines;
    this.due = due;
  }

  get rank(): number {
    return 1;
  }

  expire(): void {
    this.settle();
  }

  describe(): string {
    return this.due === Infinity
      ? 'sleep for ever'
      : `sleep for ${Math.ceil(this.due - this.#deadlines.clock.now())} ms more`;
  }

  protected withdraw(): void {
    this.#deadlines.remove(this);
  }
}

/**
 * A checkpoint: until `due`, which has not passed yet. `Infinity` is for ever, and keeps the
 * process alive like any other sleep.
 */
export function sleepUntil(deadlines: Deadlines, due: number): Promise<void> {
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  const sleep = new Sleep(deadlines, due).enter(scope);
  deadlines.add(sleep);
  return sleep.promise;
}

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

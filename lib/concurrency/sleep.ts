import { currentScope } from '../waiting/context';
import { cancelled, isCancelled, Operation } from '../waiting/operation';
import { beginTurn } from '../waiting/turn-budget';
import { type Deadlines, NOT_SCHEDULED, type Timed } from './deadlines';
import { QueuedOperation, WaitQueue } from './wait-queue';

class Sleep extends Operation<void> implements Timed {
  readonly due: number;
  order = 0;
  position = NOT_SCHEDULED;
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

/** A checkpoint: waits until `due`, which has not passed yet. `Infinity` waits for ever. */
export function sleepUntil(deadlines: Deadlines, due: number): Promise<void> {
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  const sleep = new Sleep(deadlines, due).enter(scope);
  deadlines.add(sleep);
  return sleep.promise;
}

class Yield extends QueuedOperation<void> {
  describe(): string {
    return 'yield';
  }
}

/**
 * The tasks of a backend that yield until the next turn of the event loop. One callback of the loop
 * resumes all of them, in the order in which they came.
 */
export class YieldQueue {
  readonly #deadlines: Deadlines;
  #waiting = new WaitQueue<void>();
  #isScheduled = false;

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
  }

  /** A checkpoint: waits until every other ready task, and pending I/O, has run once. */
  yieldTurn(): Promise<void> {
    const scope = currentScope();
    return isCancelled(scope) ? cancelled(scope) : this.#enqueue(new Yield().enter(scope));
  }

  /** As `yieldTurn`, but no cancellation reaches it. */
  yieldShielded(): Promise<void> {
    return this.#enqueue(new Yield());
  }

  #enqueue(operation: Yield): Promise<void> {
    this.#waiting.push(operation);
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      this.#deadlines.clock.nextTurn(this.#resumeAll);
    }
    return operation.promise;
  }

  readonly #resumeAll = (): void => {
    this.#isScheduled = false;
    // The alarm may come after this callback. A deadline that passed meanwhile takes effect now.
    this.#deadlines.expire();
    const waiting = this.#waiting;
    this.#waiting = new WaitQueue();
    // A tick that a microtask queues comes when all of them have run: those of the tasks that were
    // deferred, too.
    if (beginTurn()) queueMicrotask(() => process.nextTick(settleAll, waiting));
    else settleAll(waiting);
  };
}

function settleAll(waiting: WaitQueue<void>): void {
  for (let next = waiting.shift(); next !== null; next = waiting.shift()) next.settle();
}

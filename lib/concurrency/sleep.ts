import { currentScope } from '../waiting/context';
import { cancelled, isCancelled, Operation } from '../waiting/operation';
import { type Deadlines, OUT, type Timed } from './deadlines';

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

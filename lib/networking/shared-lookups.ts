import { currentScope, outsideOfTasks } from '../waiting/context';
import { cancelled, isCancelled, Operation } from '../waiting/operation';

/** What a resolver does for a look-up that it has begun. */
export interface BegunLookup {
  /**
   * Nobody waits for the answer any more (false), or somebody does again (true). Must not throw.
   * @returns whether the look-up goes on. If not, it never calls back
   */
  setWanted(isWanted: boolean): boolean;
}

/**
 * A look-up under way, with the callers that wait for it. Each waiter gets a result, or an error,
 * of its own: one caller may change it without an effect on the others.
 */
export class Lookup<T> {
  readonly #waiters = new Set<LookupWait<T>>();
  #begun: BegunLookup | null = null;

  constructor(
    readonly description: string,
    private readonly onEnd: () => void,
  ) {}

  succeed(makeResult: () => T): void {
    for (const waiter of this.#take()) waiter.settle(makeResult());
  }

  fail(makeError: () => unknown): void {
    for (const waiter of this.#take()) waiter.fail(makeError());
  }

  /** Begins: `begin` may throw, and never calls back within the call. */
  begin(begin: (lookup: this) => BegunLookup): void {
    this.#begun = begin(this);
  }

  join(waiter: LookupWait<T>): void {
    // A look-up that went on without a waiter answers the next caller: one that tries again after
    // each timeout has the answer when it comes, and one look-up under way, not many.
    if (this.#waiters.size === 0) this.#begun?.setWanted(true);
    this.#waiters.add(waiter);
  }

  leave(waiter: LookupWait<T>): void {
    this.#waiters.delete(waiter);
    if (this.#waiters.size === 0 && this.#begun?.setWanted(false) === false) this.onEnd();
  }

  #take(): LookupWait<T>[] {
    this.onEnd();
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    return waiters;
  }
}

class LookupWait<T> extends Operation<T> {
  readonly #lookup: Lookup<T>;

  constructor(lookup: Lookup<T>) {
    super();
    this.#lookup = lookup;
    lookup.join(this);
  }

  describe(): string {
    return this.#lookup.description;
  }

  /** The look-up itself goes on while others wait for it, or a resolver that cannot be stopped. */
  protected withdraw(): void {
    this.#lookup.leave(this);
  }
}

/** Look-ups by key: callers that ask the same at the same time share one answer. */
export class SharedLookups<T> {
  readonly #underWay = new Map<string, Lookup<T>>();

  /**
   * A checkpoint. Waits for the look-up of `key`, and begins it if none is under way. Cancelled, it
   * leaves at once, and its part of the answer is dropped.
   *
   * @param description what the task tree shows: `getaddrinfo(localhost, 80)`
   * @param begin starts the look-up; it ends by `succeed` or `fail`, and never within `begin`.
   *   Where `begin` throws, nothing is under way
   */
  wait(key: string, description: string, begin: (lookup: Lookup<T>) => BegunLookup): Promise<T> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    let lookup = this.#underWay.get(key);
    if (lookup === undefined) {
      const begun = new Lookup<T>(description, () => this.#underWay.delete(key));
      // It serves many tasks, and outlives the first of them if that is cancelled.
      outsideOfTasks(() => {
        begun.begin(begin);
      });
      this.#underWay.set(key, begun);
      lookup = begun;
    }
    return new LookupWait(lookup).enter(scope).promise;
  }
}

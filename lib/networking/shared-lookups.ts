import { currentScope } from '../waiting/context';
import { cancelled, isCancelled, Operation } from '../waiting/operation';

/**
 * A look-up under way, with the callers that wait for it. Each waiter gets a result, or an error,
 * of its own: one caller may change it without an effect on the others.
 */
export class Lookup<T> {
  readonly waiters = new Set<LookupWait<T>>();

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

  #take(): LookupWait<T>[] {
    this.onEnd();
    const waiters = [...this.waiters];
    this.waiters.clear();
    return waiters;
  }
}

class LookupWait<T> extends Operation<T> {
  readonly #lookup: Lookup<T>;

  constructor(lookup: Lookup<T>) {
    super();
    this.#lookup = lookup;
    lookup.waiters.add(this);
  }

  describe(): string {
    return this.#lookup.description;
  }

  /** The look-up itself goes on: a resolver cannot be interrupted, and others may wait for it. */
  protected withdraw(): void {
    this.#lookup.waiters.delete(this);
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
  wait(key: string, description: string, begin: (lookup: Lookup<T>) => void): Promise<T> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    let lookup = this.#underWay.get(key);
    if (lookup === undefined) {
      lookup = new Lookup<T>(description, () => this.#underWay.delete(key));
      begin(lookup);
      this.#underWay.set(key, lookup);
    }
    return new LookupWait(lookup).enter(scope).promise;
  }
}

import { Operation, type WaitScope } from '../../waiting/operation';
import { defer, spend } from '../../waiting/turn-budget';

/** What can be asked whether a reader needs to wait, and to make something come. */
export interface Source {
  /** For the task tree: `stream`, `listener`. */
  readonly kind: string;
  /** Whether there is something to take: data, an end, an error. */
  isReady(): boolean;
  /** A reader waits. */
  wanted(): void;
}

/** A reader that waits. */
export abstract class Receive<T> extends Operation<T> {
  readonly #inbox: Inbox;

  constructor(inbox: Inbox) {
    super();
    this.#inbox = inbox;
  }

  /** Called when there is something; may throw. */
  protected abstract take(): T;

  describe(): string {
    return `receive from a ${this.#inbox.kind} of the node backend`;
  }

  attempt(): void {
    let result: T;
    try {
      result = this.take();
    } catch (error) {
      this.fail(error);
      return;
    }
    this.settle(result);
  }

  /** What has come stays for the next reader. */
  protected withdraw(): void {
    this.#inbox.forget(this);
  }
}

class ReceiveBy<T> extends Receive<T> {
  readonly #take: () => T;

  constructor(inbox: Inbox, take: () => T) {
    super(inbox);
    this.#take = take;
  }

  protected take(): T {
    return this.#take();
  }
}

/**
 * The receiving side of a transport or listener: what has come is taken by one reader at a time,
 * who waits if nothing has.
 */
export class Inbox {
  readonly #source: Source;
  #reader: Receive<unknown> | null = null;

  constructor(source: Source) {
    this.#source = source;
  }

  get kind(): string {
    return this.#source.kind;
  }

  get isBusy(): boolean {
    return this.#reader !== null;
  }

  /** Who waits. Whoever settles him has to `forget` him before. */
  get reader(): Receive<unknown> | null {
    return this.#reader;
  }

  /**
   * To be called once `scope`, the caller's, was seen not to be cancelled. `take` is called when
   * there is something, and may throw.
   */
  receive<T>(scope: WaitScope | undefined, take: () => T): Promise<T> {
    const isReady = this.#source.isReady();
    if (isReady && spend()) {
      try {
        return Promise.resolve(take());
      } catch (error) {
        return Promise.reject(error);
      }
    }
    const reader = new ReceiveBy(this, take);
    if (!isReady) return this.wait(scope, reader);
    this.#reader = reader;
    defer(this);
    return reader.enter(scope).promise;
  }

  /** As `receive`, when there was seen to be nothing to take yet. */
  wait<T>(scope: WaitScope | undefined, reader: Receive<T>): Promise<T> {
    this.#reader = reader;
    this.#source.wanted();
    return reader.enter(scope).promise;
  }

  /** Something has arrived, or the next turn has begun: the waiting reader takes it. */
  resume(): void {
    const reader = this.#reader;
    if (reader === null || !this.#source.isReady()) return;
    this.#reader = null;
    reader.attempt();
  }

  /** Whoever waits is told that nothing will come. */
  fail(reason: Error): void {
    const reader = this.#reader;
    if (reader === null) return;
    this.#reader = null;
    reader.fail(reason);
  }

  forget<T>(reader: Receive<T>): void {
    if (this.#reader === reader) this.#reader = null;
  }
}

import { Operation } from '../../waiting/operation';
import { defer, spend } from '../../waiting/turn-budget';
import type { WaitScope } from '../../waiting/wait-scope';
import type { Link } from './link';

/** Where an inbox receives from. */
export interface Source {
  /** For the task tree: `stream`, `listener`. */
  readonly kind: string;
  /** Whether a receive can end now: with data, the end of the stream, or an error. */
  isReady(): boolean;
  /** A reader has begun to wait. */
  wanted(): void;
}

/** A receive that waits. */
export abstract class Receive<T> extends Operation<T> {
  readonly #inbox: Inbox;

  constructor(inbox: Inbox) {
    super();
    this.#inbox = inbox;
  }

  /** Called when the source is ready. May throw. */
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

  /** Cancelled: data that arrives stays for the next reader. */
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
 * The receiving side of a transport or listener. One reader at a time takes what has arrived, and
 * waits if there is nothing.
 */
export class Inbox {
  readonly #source: Source;
  readonly #link: Link<object>;
  #reader: Receive<unknown> | null = null;

  /** @param link holds the transport or listener while a receive waits */
  constructor(source: Source, link: Link<object>) {
    this.#source = source;
    this.#link = link;
  }

  get kind(): string {
    return this.#source.kind;
  }

  get isBusy(): boolean {
    return this.#reader !== null;
  }

  /** The receive that waits. Code that settles it must call `forget` before. */
  get reader(): Receive<unknown> | null {
    return this.#reader;
  }

  /**
   * Takes now, or waits. `take` is called when the source is ready, and may throw. The caller has
   * checked that `scope`, its own, is not cancelled.
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
    this.#occupy(reader);
    defer(this);
    return reader.enter(scope).promise;
  }

  /** As `receive`, when the source is known not to be ready. */
  wait<T>(scope: WaitScope | undefined, reader: Receive<T>): Promise<T> {
    this.#occupy(reader);
    this.#source.wanted();
    return reader.enter(scope).promise;
  }

  /** The source is ready, or the next turn has begun: the waiting reader takes what is there. */
  resume(): void {
    const reader = this.#reader;
    if (reader === null || !this.#source.isReady()) return;
    this.#vacate();
    reader.attempt();
  }

  /** Rejects the receive that waits: nothing will arrive any more. */
  fail(reason: Error): void {
    const reader = this.#reader;
    if (reader === null) return;
    this.#vacate();
    reader.fail(reason);
  }

  /** Makes room for the next reader. */
  forget<T>(reader: Receive<T>): void {
    if (this.#reader === reader) this.#vacate();
  }

  #occupy(reader: Receive<unknown>): void {
    this.#reader = reader;
    this.#link.hold();
  }

  #vacate(): void {
    this.#reader = null;
    this.#link.release();
  }
}

import type { TypedAttribute } from '../../contract/attributes';
import type { AsyncBackend } from '../../contract/backend';
import type { AsyncBaseTransport } from '../../contract/transports';
import { BusyResourceError, ClosedResourceError } from '../../errors';
import { type AttributeGetters, lookUp } from '../../transports/attributes';
import { currentScope } from '../../waiting/context';
import { cancelled, isCancelled, Operation } from '../../waiting/operation';
import { Inbox, type Source } from './inbox';

/** A checkpoint that one of Node's callbacks ends. */
export class Wait<T> extends Operation<T> {
  readonly #description: string;
  readonly #giveUp: () => void;

  /** @param giveUp called when it is cancelled: takes back what was begun */
  constructor(description: string, giveUp: () => void) {
    super();
    this.#description = description;
    this.#giveUp = giveUp;
  }

  describe(): string {
    return this.#description;
  }

  protected withdraw(): void {
    this.#giveUp();
  }
}

/**
 * What every transport and listener of this backend does alike: it owns one of Node's sockets,
 * closes it, and knows its attributes.
 */
export abstract class NodeTransport implements AsyncBaseTransport, Disposable {
  readonly #backend: AsyncBackend;
  protected readonly inbox: Inbox;
  readonly #closers = new Set<Wait<void>>();
  #isClosing = false;
  #isClosed = false;

  protected constructor(backend: AsyncBackend, source: Source) {
    this.#backend = backend;
    this.inbox = new Inbox(source);
  }

  aclose(): Promise<void> {
    this.#isClosing = true;
    const scope = currentScope();
    if (isCancelled(scope)) {
      this.closeNow();
      return cancelled(scope);
    }
    if (this.#isClosed || !this.isSending()) {
      this.closeNow();
      return Promise.resolve();
    }
    this.inbox.fail(closedMeanwhile());
    const closer: Wait<void> = new Wait<void>('aclose that waits for a send', () => {
      this.#closers.delete(closer);
      // A moment later: the send that is cut off may be in the scope that is being cancelled too,
      // and is told of that then.
      queueMicrotask(() => {
        this.closeNow();
      });
    }).enter(scope);
    this.#closers.add(closer);
    return closer.promise;
  }

  isClosing(): boolean {
    return this.#isClosing;
  }

  backend(): AsyncBackend {
    return this.#backend;
  }

  extra<T>(attribute: TypedAttribute<T>, fallback?: T): T {
    return lookUp(this.#isClosed ? new Map() : this.attributes(), attribute, fallback);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.aclose();
  }

  /** What a task does to the transport that it owns, if it fails. @internal */
  [Symbol.dispose](): void {
    this.closeNow();
  }

  /** Closes without waiting; whoever waits on it gets ClosedResourceError. Idempotent. @internal */
  closeNow(): void {
    if (this.#isClosed) return;
    this.#isClosing = true;
    this.#isClosed = true;
    this.inbox.fail(closedMeanwhile());
    this.destroy();
    for (const closer of this.#closers) closer.settle();
    this.#closers.clear();
  }

  protected get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Closes Node's socket. Called once. */
  protected abstract destroy(): void;

  /** Whether a graceful close has a send to wait for. */
  protected abstract isSending(): boolean;

  protected abstract attributes(): AttributeGetters;

  /** A send has ended: who waits to close may. */
  protected sendEnded(): void {
    if (this.#isClosing && !this.isSending()) this.closeNow();
  }

  /** A checkpoint: `take` is called when there is something to take. */
  protected receive<T>(method: string, take: () => T): Promise<T> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    const refusal = this.receiveRefusal(method);
    return refusal === null ? this.inbox.receive(scope, take) : Promise.reject(refusal);
  }

  /** Why a receive cannot begin; null if it can. */
  protected receiveRefusal(method: string): Error | null {
    return this.closedRefusal(method) ?? (this.inbox.isBusy ? busy(method, 'receiving') : null);
  }

  protected closedRefusal(method: string): ClosedResourceError | null {
    return this.#isClosing ? new ClosedResourceError(`${method}() called after close`) : null;
  }

  /** Something has come. */
  protected serveReader(): void {
    this.inbox.resume();
  }
}

export function busy(method: string, what: 'receiving' | 'sending'): BusyResourceError {
  return new BusyResourceError(`${method}() called while another task is ${what} already`);
}

export function closedMeanwhile(): ClosedResourceError {
  return new ClosedResourceError('The socket was closed while a task was waiting on it');
}

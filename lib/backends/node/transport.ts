import type { TypedAttribute } from '../../contract/attributes';
import type { AsyncBackend } from '../../contract/backend';
import type { AsyncBaseTransport } from '../../contract/transports';
import { BusyResourceError, ClosedResourceError } from '../../errors';
import { type AttributeGetters, lookUp } from '../../transports/attributes';
import { currentScope } from '../../waiting/context';
import { cancelled, isCancelled, Operation, rejected, resolved } from '../../waiting/operation';
import { Inbox, type Source } from './inbox';
import { Link } from './link';
import { forgetCollected } from './unclosed';

/** A checkpoint that a callback of Node's ends. */
export class Wait<T> extends Operation<T> {
  readonly #description: string;
  readonly #undo: () => void;

  /** @param undo called when the checkpoint is cancelled: ends what was begun */
  constructor(description: string, undo: () => void) {
    super();
    this.#description = description;
    this.#undo = undo;
  }

  describe(): string {
    return this.#description;
  }

  protected withdraw(): void {
    this.#undo();
  }
}

/**
 * The base of all transports and listeners of this backend: owns one of Node's sockets, closes it,
 * and gives its attributes.
 */
export abstract class NodeTransport implements AsyncBaseTransport, Disposable {
  readonly #backend: AsyncBackend;
  protected readonly inbox: Inbox;
  /** By which the listeners of Node's socket reach this transport. */
  protected readonly link: Link<this>;
  readonly #closers = new Set<Wait<void>>();
  #isClosing = false;
  #isClosed = false;

  protected constructor(backend: AsyncBackend, source: Source) {
    this.#backend = backend;
    this.link = new Link(this);
    this.inbox = new Inbox(source, this.link);
  }

  aclose(): Promise<void> {
    this.#isClosing = true;
    const scope = currentScope();
    if (isCancelled(scope)) {
      this.closeNow();
      return cancelled(scope);
    }
    if (this.#isClosed || !this.mustWait()) {
      this.closeNow();
      return resolved(undefined);
    }
    this.inbox.fail(closedMeanwhile());
    const closer: Wait<void> = new Wait<void>('aclose of the node backend', () => {
      this.#closers.delete(closer);
      // In a later microtask: the scope that is being cancelled may be that of the send, too, which
      // must then reject as cancelled.
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

  /** Closes at once: for a task that owns the transport and fails. @internal */
  [Symbol.dispose](): void {
    this.closeNow();
  }

  /**
   * Closes at once. Operations that wait reject with ClosedResourceError. Idempotent.
   * @internal
   */
  closeNow(): void {
    if (this.#isClosed) return;
    this.#isClosing = true;
    this.#isClosed = true;
    forgetCollected(this);
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

  /** Whether a graceful close must wait for a send. */
  protected abstract isSending(): boolean;

  /**
   * Whether a graceful close must wait although no send is under way. If so, the wait has begun,
   * and ends in `closeNow`.
   */
  protected lingers(): boolean {
    return false;
  }

  protected abstract attributes(): AttributeGetters;

  /** A send has ended: a graceful close that waits for it goes on. */
  protected sendEnded(): void {
    if (this.#isClosing && !this.#isClosed && !this.mustWait()) this.closeNow();
  }

  private mustWait(): boolean {
    return this.isSending() || this.lingers();
  }

  /** A checkpoint: `take` is called when the source is ready. */
  protected receive<T>(method: string, take: () => T): Promise<T> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    const usageError = this.receiveError(method);
    return usageError === null ? this.inbox.receive(scope, take) : rejected(usageError);
  }

  /** The error for a receive that must not begin now; null if it may. */
  protected receiveError(method: string): Error | null {
    return this.closedError(method) ?? (this.inbox.isBusy ? busy(method, 'receiving') : null);
  }

  protected closedError(method: string): ClosedResourceError | null {
    return this.#isClosing ? new ClosedResourceError(`${method}() called after close`) : null;
  }

  /** The source is ready: the waiting receive goes on. */
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

import type { CancelledError } from '../errors';

/**
 * A cancel scope as seen from below, by the operations that wait in it. `concurrency` implements
 * it; sockets and everything else that waits know no more of a scope than this.
 */
export interface WaitScope {
  /**
   * The error that every checkpoint in this scope rejects with, or null. Pushed down at cancel
   * time, so that reading it is all a checkpoint pays.
   */
  readonly cancellation: CancelledError | null;
  /** Takes a pending operation into the scope's list: a cancellation from now on abandons it. */
  link(operation: PendingOperation): void;
  /** Takes it out again. */
  unlink(operation: PendingOperation): void;
}

// Without the type of the value: an Operation<T> is then an Operation<unknown>, and lists need no cast.
type Resolve = (value: unknown) => void;
type Reject = (reason: unknown) => void;

// One executor for all promises made here: a closure per operation would be an allocation per
// operation.
let capturedResolve: unknown;
let capturedReject: unknown;
const capture = (resolve: unknown, reject: unknown): void => {
  capturedResolve = resolve;
  capturedReject = reject;
};

const ignore = (): void => undefined;

/**
 * One checkpoint under way: a promise, linked into the scope it waits in (so that cancel finds it)
 * and into the resource it waits for (so that readiness finds it). It ends once: by `settle`, by
 * `fail`, or by `cancel`.
 *
 * A subclass says what it waits for (`describe`) and how the resource forgets it (`withdraw`).
 */
export abstract class Operation<T> {
  /** Neighbours in the scope's list: the scope's own. */
  previous: PendingOperation | null = null;
  next: PendingOperation | null = null;
  /**
   * The scope it is linked into; null outside of any, and once it has ended. The scope's own, too:
   * one that is left hands it on.
   */
  scope: WaitScope | null = null;

  readonly promise: Promise<T>;
  readonly #resolve: Resolve;
  readonly #reject: Reject;

  constructor() {
    this.promise = new Promise<T>(capture);
    this.#resolve = capturedResolve as Resolve;
    this.#reject = capturedReject as Reject;
    // Nothing is kept alive by the last promise that was made.
    capturedResolve = undefined;
    capturedReject = undefined;
  }

  /** What the task tree shows: `sleep until 1200.5`, `recv on fd 17`. */
  abstract describe(): string;

  /**
   * Takes it out of the resource it waits for, without any effect on that resource. Called once, by
   * `cancel`.
   */
  protected abstract withdraw(): void;

  /**
   * Links it into the caller's scope. To be called once, after the scope was seen not to be
   * cancelled.
   */
  enter(scope: WaitScope | undefined): this {
    if (scope !== undefined) {
      this.scope = scope;
      scope.link(this);
    }
    return this;
  }

  /** The resource has unlinked it, and gives the result. */
  settle(value: T): void {
    this.leave();
    this.#resolve(value);
  }

  /** The resource has unlinked it, and gives the reason why there is no result. */
  fail(reason: unknown): void {
    this.leave();
    this.#reject(reason);
  }

  /** The scope cancels it: it had no effect. Throws nothing, and runs no code of a user's. */
  cancel(reason: CancelledError): void {
    this.withdraw();
    markHandled(this.promise);
    this.fail(reason);
  }

  /** Takes it out of its scope: no cancellation reaches it from now on. */
  protected leave(): void {
    const { scope } = this;
    if (scope !== null) {
      this.scope = null;
      scope.unlink(this);
    }
  }
}

/** An operation whose result does not matter: scopes and resources keep lists of these. */
export type PendingOperation = Operation<unknown>;

/**
 * Nobody may be awaiting it (a checkpoint that was only started): its rejection is then no
 * unhandled one.
 */
export function markHandled(promise: Promise<unknown>): void {
  void promise.then(undefined, ignore);
}

/**
 * A promise that rejects with the cancellation of `scope`; no unhandled rejection if nobody looks
 * at it.
 */
export function cancelled(
  scope: WaitScope & { readonly cancellation: CancelledError },
): Promise<never> {
  const promise = Promise.reject(scope.cancellation);
  markHandled(promise);
  return promise;
}

/** Begins every checkpoint: `if (isCancelled(scope)) return cancelled(scope)`. */
export function isCancelled(
  scope: WaitScope | undefined,
): scope is WaitScope & { readonly cancellation: CancelledError } {
  return scope !== undefined && scope.cancellation !== null;
}

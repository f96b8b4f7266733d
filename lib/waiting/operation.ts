import type { CancelledError } from '../errors';
import { currentScope } from './context';
import { defer, type Deferred, spend, spendStep } from './turn-budget';
import type { PendingOperation, WaitScope } from './wait-scope';

// The type of the value is left out: any Operation<T> is then assignable to Operation<unknown>, and
// lists of operations need no casts.
type Resolve = (value: unknown) => void;
type Reject = (reason: unknown) => void;

// All promises of operations are made with one executor. A closure would be one more allocation per
// operation.
let capturedResolve: unknown;
let capturedReject: unknown;
const capture = (resolve: unknown, reject: unknown): void => {
  capturedResolve = resolve;
  capturedReject = reject;
};

const ignore = (): void => undefined;

/**
 * One pending checkpoint: a promise, linked into the scope that it waits in (so that a cancellation
 * finds it) and into the resource that it waits for (so that readiness finds it). It ends once: by
 * `settle`, by `fail` or by `cancel`.
 *
 * A subclass tells what it waits for (`describe`) and how to unlink it from the resource
 * (`withdraw`).
 */
export abstract class Operation<T> implements PendingOperation {
  previous: PendingOperation | null = null;
  next: PendingOperation | null = null;
  scope: WaitScope | null = null;

  readonly promise: Promise<T>;
  readonly #resolve: Resolve;
  readonly #reject: Reject;

  constructor() {
    this.promise = new Promise<T>(capture);
    this.#resolve = capturedResolve as Resolve;
    this.#reject = capturedReject as Reject;
    // The variables would keep the last promise in memory.
    capturedResolve = undefined;
    capturedReject = undefined;
  }

  /** What the task tree shows, like `recv on fd 17`. */
  abstract describe(): string;

  /**
   * Unlinks the operation from the resource that it waits for, without any effect on the resource.
   * Only `cancel` calls it, once.
   */
  protected abstract withdraw(): void;

  /** Links the operation into the caller's scope. To be called once, if that is not cancelled. */
  enter(scope: WaitScope | undefined): this {
    if (scope !== undefined) {
      this.scope = scope;
      scope.link(this);
    }
    return this;
  }

  /** Resolves. The resource has unlinked the operation before. */
  settle(value: T): void {
    this.leave();
    this.#resolve(value);
  }

  /** Rejects. The resource has unlinked the operation before. */
  fail(reason: unknown): void {
    this.leave();
    this.#reject(reason);
  }

  /**
   * As `settle`, for an operation that code ends, not the event loop. If the turn's budget is
   * spent, the operation has ended all the same, and its task goes on in the next turn.
   */
  settleInTurn(value: T): void {
    const { scope } = this;
    this.leave();
    if (spendStep()) this.#resolve(value);
    else {
      new Yielding(scope, () => {
        this.#resolve(value);
      });
    }
  }

  /** As `settleInTurn`, but rejects. An error with its stack costs as much as a system call. */
  failInTurn(reason: unknown): void {
    const { scope } = this;
    this.leave();
    if (spend()) this.#reject(reason);
    else {
      new Yielding(scope, () => {
        this.#reject(reason);
      });
    }
  }

  /** Rejects with a cancellation: the operation had no effect. Never throws or calls user code. */
  cancel(reason: CancelledError): void {
    this.withdraw();
    markHandled(this.promise);
    this.fail(reason);
  }

  /** Unlinks the operation from its scope: no cancellation reaches it any more. */
  protected leave(): void {
    const { scope } = this;
    if (scope !== null) {
      this.scope = null;
      scope.unlink(this);
    }
  }
}

/**
 * Keeps the rejection of `promise` from being an unhandled one, if the caller does not await the
 * promise.
 */
export function markHandled(promise: Promise<unknown>): void {
  void promise.then(undefined, ignore);
}

/**
 * The rest of a checkpoint that has ended and whose task goes on in the next turn, since the turn's
 * budget is spent. It stays in its scope until then, so that a bootstrap waits for the task. A
 * cancellation has no effect any more: the task feels it at its next checkpoint.
 */
class Yielding implements PendingOperation, Deferred {
  previous: PendingOperation | null = null;
  next: PendingOperation | null = null;
  scope: WaitScope | null = null;
  readonly #end: () => void;

  /** @param end settles the promise that the task waits for */
  constructor(scope: WaitScope | undefined | null, end: () => void) {
    this.#end = end;
    if (scope !== undefined && scope !== null) {
      this.scope = scope;
      scope.link(this);
    }
    defer(this);
  }

  resume(): void {
    this.cancel();
    this.#end();
  }

  cancel(): void {
    const { scope } = this;
    this.scope = null;
    scope?.unlink(this);
  }

  describe(): string {
    return 'yield';
  }
}

/**
 * The end of a checkpoint that need not wait, and has taken effect: a promise that is resolved or,
 * if the turn's budget is spent, resolves in the next turn.
 */
export function resolved<T>(value: T): Promise<T> {
  return spendStep() ? Promise.resolve(value) : resolvedLater(value);
}

function resolvedLater<T>(value: T): Promise<T> {
  return new Promise((resolve) => {
    new Yielding(currentScope(), () => {
      resolve(value);
    });
  });
}

/** As `resolved`, for a checkpoint that rejects at once. Charges as much as a system call. */
export function rejected(reason: unknown): Promise<never> {
  if (spend()) return Promise.reject(reason);
  return new Promise((_resolve, reject) => {
    new Yielding(currentScope(), () => {
      reject(reason);
    });
  });
}

/**
 * A checkpoint of several steps and system calls, which may all end at once: settles as `running`
 * does.
 */
export function inTurn<T>(running: Promise<T>): Promise<T> {
  return running.then(calledInTurn<T>, rejected);
}

function calledInTurn<T>(value: T): T | Promise<T> {
  return spend() ? value : resolvedLater(value);
}

/** A promise that rejects with the cancellation of `scope`, and never as an unhandled rejection. */
export function cancelled(
  scope: WaitScope & { readonly cancellation: CancelledError },
): Promise<never> {
  const promise = rejected(scope.cancellation);
  markHandled(promise);
  return promise;
}

/** The first line of every checkpoint is `if (isCancelled(scope)) return cancelled(scope)`. */
export function isCancelled(
  scope: WaitScope | undefined,
): scope is WaitScope & { readonly cancellation: CancelledError } {
  return scope !== undefined && scope.cancellation !== null;
}

import type { Awaitable } from './tasks';

/** Options of `openCancelScope`. */
export interface CancelScopeOptions {
  /** In milliseconds on the backend's clock. Default: `Infinity`, no deadline. */
  readonly deadline?: number;
  /**
   * Cancels the scope when it aborts. A signal that has already aborted cancels the scope when it
   * is entered.
   */
  readonly signal?: AbortSignal;
}

/**
 * A stretch of code that a call, a deadline or an AbortSignal can cancel. Made by
 * `openCancelScope`, `moveOnAfter` and `moveOnAt` of a backend.
 *
 * In a cancelled scope every checkpoint rejects with a CancelledError, again and again, in the
 * functions that the code calls and in the tasks of groups that it opens, too. `run` of that scope
 * stops the error, and an error that reports it: a CancelledError that has it as `cause` (one with
 * `bytesSent`), and the AbortError (by its `name`, or the code `ABORT_ERR`) of a function that got
 * `signal`, which has it as `cause` or `reason`. Any other error comes out of `run`, also one that
 * was made of the cancellation: `new Error('step 3 failed', { cause })`. If a scope around this one
 * is cancelled as well, the error passes through, and the outer scope stops it.
 */
export interface CancelScope {
  /**
   * Enters the scope, once, and runs `body` in it. `body` begins at once.
   *
   * Resolves to the result of `body`, even if the scope was cancelled meanwhile, and to undefined
   * if this scope's cancellation ended `body`. Rejects with any other error of `body`. From an
   * AggregateError the scope removes its own CancelledErrors.
   *
   * @throws InvalidStateError (`ERR_INVALID_STATE`), as a rejection, if the scope was entered
   *   before
   *
   * @example
   * const scope = backend.moveOnAfter(20);
   * const answer = await scope.run(() => backend.sleep(60_000).then(() => 'late'));
   * console.log(answer, scope.cancelledCaught()); // → undefined true
   */
  run<R>(body: (scope: this) => Awaitable<R>): Promise<R | undefined>;
  /**
   * Cancels the scope now or, before it is entered, from its beginning. A second call, and a call
   * after the end, do nothing.
   */
  cancel(): void;
  /**
   * True after `cancel()`, after the deadline and after the signal aborted (the latter two once the
   * scope has been entered).
   */
  cancelCalled(): boolean;
  /** True if the scope stopped a CancelledError of its own, alone or in an AggregateError. */
  cancelledCaught(): boolean;
  /** The deadline in milliseconds on the backend's clock; `Infinity` if there is none. */
  when(): number;
  /**
   * Moves the deadline. A deadline that has passed cancels the scope at once. A cancelled scope
   * stays cancelled.
   * @throws RangeError if `deadline` is NaN
   */
  reschedule(deadline: number): void;
  /** `when()` and `reschedule()` as a property. */
  deadline: number;
  /**
   * Aborts when the scope is cancelled, by itself or from outside; the reason is the
   * CancelledError. Hand it to fetch, a database driver or node:fs: their AbortErrors count as this
   * scope's cancellation. Created on first use.
   */
  readonly signal: AbortSignal;
}

/** A cancel scope whose `run` rejects where that of another scope would resolve to undefined. */
export interface TimeoutScope extends CancelScope {
  /**
   * As `run` of a CancelScope, but rejects with TimeoutError (`ETIMEDOUT`), whose cause is the
   * CancelledError, if this scope's cancellation ended `body`. A body that returns after the
   * deadline was in time; a cancellation from outside stays a CancelledError.
   */
  run<R>(body: (scope: this) => Awaitable<R>): Promise<R>;
}

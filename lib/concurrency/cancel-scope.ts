import type * as contract from '../contract/scopes';
import type { Awaitable } from '../contract/tasks';
import { setMaxListeners } from 'node:events';
import { inspect, type InspectOptions } from 'node:util';
import { type CancelledError, InvalidStateError, TimeoutError } from '../errors';
import { checkFunction, checkTime } from '../arguments/validate';
import { BodyScope } from './body-scope';
import { cancellationOf } from './cancellation';
import { type Deadlines, OUT, type Timed } from './deadlines';
import { scopeTimeout } from './diagnostics';
import { SignalLink } from './signal-link';

/**
 * A stretch of code that can be cancelled from outside, by a call, a deadline or an AbortSignal,
 * and that goes no further than its own end. Made by `openCancelScope`, `moveOnAfter` and
 * `moveOnAt` of a backend.
 *
 * Cancelled, each checkpoint in it rejects with a CancelledError, again and again, also in the
 * functions that it calls and in the tasks of groups that it opens. When that error reaches the end
 * of `run`, it stops there. If a scope around this one is cancelled too, it is for that one to stop
 * the error.
 */
export class CancelScope extends BodyScope implements contract.CancelScope {
  /** The deadline, as `Deadlines` knows it. @internal */
  due: number;
  /** @internal */
  order = 0;
  /** @internal */
  place = OUT;
  /** @internal */
  earlier: Timed | null = null;
  /** @internal */
  later: Timed | null = null;

  /** @internal */
  readonly deadlines: Deadlines;
  readonly #source: AbortSignal | undefined;
  #controller: AbortController | undefined;

  /** @internal */
  constructor(deadlines: Deadlines, deadline: number, source?: AbortSignal) {
    super();
    this.deadlines = deadlines;
    this.due = deadline;
    this.#source = source;
  }

  run<R>(body: (scope: this) => Awaitable<R>): Promise<R | undefined> {
    try {
      checkFunction('body', body);
      this.enter();
    } catch (error) {
      return Promise.reject<R>(error);
    }
    return this.runBody(body, this);
  }

  cancel(): void {
    if (this.ownCancellation === null)
      this.cancelWith(cancellationOf(this, 'The scope was cancelled'));
  }

  cancelCalled(): boolean {
    // The alarm may be late.
    if (this.place !== OUT && this.due <= this.deadlines.clock.now()) this.deadlines.expire();
    return this.ownCancellation !== null;
  }

  cancelledCaught(): boolean {
    return this.isCaught;
  }

  when(): number {
    return this.due;
  }

  reschedule(deadline: number): void {
    checkTime('deadline', deadline);
    if (this.place !== OUT) this.deadlines.remove(this);
    this.due = deadline;
    if (this.parent !== null && !this.isLeft && this.ownCancellation === null) this.watchClock();
  }

  get deadline(): number {
    return this.due;
  }

  set deadline(deadline: number) {
    this.reschedule(deadline);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      // A scope around a thousand fetches is no leak.
      setMaxListeners(0, this.#controller.signal);
      this.announce();
    }
    return this.#controller.signal;
  }

  override [inspect.custom](_depth: number, options: InspectOptions): string {
    const state = {
      deadline: this.due,
      cancelCalled: this.ownCancellation !== null,
      cancelledCaught: this.isCaught,
    };
    return `${this.constructor.name} ${inspect(state, options)}`;
  }

  /** @internal */
  get rank(): number {
    return 0;
  }

  /** @internal */
  describe(): string {
    return 'cancel scope';
  }

  /** @internal */
  override announce(): void {
    const reason = this.cancellation ?? this.ownCancellation;
    if (this.#controller !== undefined && reason !== null) this.#controller.abort(reason);
  }

  /** @internal */
  override enter(): void {
    if (this.parent !== null) {
      throw new InvalidStateError(
        'This cancel scope has been entered before: a scope runs once, make a new one for each run',
      );
    }
    super.enter();
    if (this.cancellation !== null) this.announce();
    if (this.ownCancellation !== null) return;
    if (this.#source?.aborted === true) {
      this.onAbort(this.#source.reason);
      return;
    }
    if (this.#source !== undefined) SignalLink.of(this.#source).add(this);
    this.watchClock();
  }

  /** @internal */
  override leave(): void {
    this.unwatch();
    super.leave();
  }

  /** @internal */
  override cancelWith(error: CancelledError): void {
    this.unwatch();
    super.cancelWith(error);
  }

  /** @internal */
  expire(): void {
    if (scopeTimeout.hasSubscribers)
      scopeTimeout.publish({ scope: this, task: this.task?.info, deadline: this.due });
    this.cancelWith(cancellationOf(this, 'The deadline of the scope has passed'));
  }

  /** @internal */
  onAbort(reason: unknown): void {
    this.cancelWith(cancellationOf(this, 'The signal of the scope was aborted', { cause: reason }));
  }

  private watchClock(): void {
    if (this.due === Infinity) return;
    if (this.due > this.deadlines.clock.now()) {
      this.deadlines.add(this);
      return;
    }
    // Code that kept the loop busy may have missed earlier deadlines: an outer scope's comes first.
    this.deadlines.expire();
    if (this.ownCancellation === null) this.expire();
  }

  private unwatch(): void {
    if (this.place !== OUT) this.deadlines.remove(this);
    if (this.#source !== undefined) SignalLink.of(this.#source).delete(this);
  }
}

/**
 * A cancel scope that says so: where another would end quietly, its `run` rejects with a
 * TimeoutError. Made by `timeout` and `timeoutAt` of a backend.
 */
export class TimeoutScope extends CancelScope implements contract.TimeoutScope {
  override run<R>(body: (scope: this) => Awaitable<R>): Promise<R> {
    // Undefined only comes of `absorbed`, which throws.
    return super.run(body) as Promise<R>;
  }

  protected override absorbed(): never {
    throw new TimeoutError('timed out', { cause: this.ownCancellation });
  }

  /** @internal */
  override describe(): string {
    return 'timeout';
  }
}

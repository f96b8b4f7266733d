import type * as contract from '../contract/scopes';
import type { Awaitable } from '../contract/tasks';
import { setMaxListeners } from 'node:events';
import { inspect, type InspectOptions } from 'node:util';
import { type CancelledError, InvalidStateError, TimeoutError } from '../errors';
import { checkFunction, checkTime } from '../arguments/validate';
import { BodyScope } from './body-scope';
import { createCancellation } from './cancellation';
import { type Deadlines, NOT_SCHEDULED, type Timed } from './deadlines';
import { scopeTimeout } from './diagnostics';
import { SignalLink } from './signal-link';

/** The scope of `openCancelScope`, `moveOnAfter` and `moveOnAt`. */
export class CancelScope extends BodyScope implements contract.CancelScope, Timed {
  due: number;
  order = 0;
  position = NOT_SCHEDULED;
  earlier: Timed | null = null;
  later: Timed | null = null;

  readonly deadlines: Deadlines;
  readonly #source: AbortSignal | undefined;
  #controller: AbortController | undefined;

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
      this.cancelWith(createCancellation(this, 'The scope was cancelled'));
  }

  cancelCalled(): boolean {
    // The deadline may have passed while the event loop was busy, so that the alarm is late.
    if (this.position !== NOT_SCHEDULED && this.due <= this.deadlines.clock.now())
      this.deadlines.expire();
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
    if (this.position !== NOT_SCHEDULED) this.deadlines.remove(this);
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
      // A scope around a thousand fetches has a thousand listeners, which is no leak.
      setMaxListeners(0, this.#controller.signal);
      this.abortSignal();
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

  get rank(): number {
    return 0;
  }

  describe(): string {
    return 'cancel scope';
  }

  override abortSignal(): void {
    const reason = this.cancellation ?? this.ownCancellation;
    if (this.#controller !== undefined && reason !== null) this.#controller.abort(reason);
  }

  override enter(): void {
    if (this.parent !== null) {
      throw new InvalidStateError(
        'This cancel scope was entered before, and a scope runs once: make a new one for each run',
      );
    }
    super.enter();
    if (this.cancellation !== null) this.abortSignal();
    if (this.ownCancellation !== null) return;
    if (this.#source?.aborted === true) {
      this.onAbort(this.#source.reason);
      return;
    }
    if (this.#source !== undefined) SignalLink.of(this.#source).add(this);
    this.watchClock();
  }

  override leave(): void {
    this.unwatch();
    super.leave();
  }

  override cancelWith(error: CancelledError): void {
    this.unwatch();
    super.cancelWith(error);
  }

  expire(): void {
    if (scopeTimeout.hasSubscribers)
      scopeTimeout.publish({ scope: this, task: this.task?.info, deadline: this.due });
    this.cancelWith(createCancellation(this, 'The deadline of the scope has passed'));
  }

  onAbort(reason: unknown): void {
    this.cancelWith(
      createCancellation(this, 'The signal of the scope was aborted', { cause: reason }),
    );
  }

  private watchClock(): void {
    if (this.due === Infinity) return;
    if (this.due > this.deadlines.clock.now()) {
      this.deadlines.add(this);
      return;
    }
    // Other deadlines may have passed while the event loop was busy. That of an outer scope has to
    // take effect before this one.
    this.deadlines.expire();
    if (this.ownCancellation === null) this.expire();
  }

  private unwatch(): void {
    if (this.position !== NOT_SCHEDULED) this.deadlines.remove(this);
    if (this.#source !== undefined) SignalLink.of(this.#source).delete(this);
  }
}

/** The scope of `timeout` and `timeoutAt`. */
export class TimeoutScope extends CancelScope implements contract.TimeoutScope {
  override run<R>(body: (scope: this) => Awaitable<R>): Promise<R> {
    // `run` of a CancelScope resolves to undefined only after `absorbed`, which throws here.
    return super.run(body) as Promise<R>;
  }

  protected override absorbed(): never {
    throw new TimeoutError('timed out', { cause: this.ownCancellation });
  }

  override describe(): string {
    return 'timeout';
  }
}

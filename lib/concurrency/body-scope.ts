import type { Awaitable } from '../contract/tasks';
import { markHandled } from '../waiting/operation';
import { runIn } from './call-in';
import { isCancellation, NOTHING } from './cancellation';
import { ScopeNode } from './scope-node';

/** A scope around one call, which goes out when that has ended: a cancel scope, or a shield. */
export abstract class BodyScope extends ScopeNode {
  #running: Promise<unknown> | null = null;

  /** Calls `fn` in the scope, which has been entered, with `argument`. @internal */
  runBody<A, R>(fn: (argument: A) => Awaitable<R>, argument: A): Promise<R> {
    const running = runIn(this, fn, argument);
    this.#running = running;
    return running;
  }

  /** @internal */
  bodyEnded(value: unknown): unknown {
    this.leave();
    return value;
  }

  /** @internal */
  bodyFailed(error: unknown): unknown {
    const rest = this.leaveWith(error);
    if (rest === NOTHING) {
      this.absorbed();
      return undefined;
    }
    if (isCancellation(rest) && this.#running !== null) markHandled(this.#running);
    throw rest;
  }

  /** What becomes of a body that the scope's own cancellation has ended. */
  protected absorbed(): void {
    // Move on.
  }
}

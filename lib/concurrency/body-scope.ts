import type { Awaitable } from '../contract/tasks';
import { checkFunction } from '../arguments/validate';
import { contextStorage, runWith } from '../waiting/context';
import { markHandled } from '../waiting/operation';
import { isCancellation, NOTHING } from './cancellation';
import { ScopeNode } from './scope-node';
import { isThenable } from './wait-for';

type Fn<R> = (...given: unknown[]) => Awaitable<R>;

/**
 * A scope that code runs in, and that is told how it has ended. What these return or throw is what
 * becomes of the code's result.
 */
export interface Enclosure extends ScopeNode {
  bodyEnded(value: unknown): unknown;
  bodyFailed(error: unknown): unknown;
}

/**
 * Calls `fn` with `argument`, or none. What this returns is no thenable but a promise, or a value
 * that was there at once; what `fn` throws becomes a rejection.
 */
function call<R>(fn: Fn<R>, argument: unknown): R | Promise<R> {
  try {
    const result = argument === undefined ? fn() : fn(argument);
    // A lazy thenable, like that of a query builder, does its work in `then`: here, and so in the
    // context of `fn`.
    return isThenable(result) ? Promise.resolve<R>(result) : result;
  } catch (error) {
    return Promise.reject<R>(error);
  }
}

/** `call` with `scope` as the context. */
export function callIn<A, R>(
  scope: ScopeNode,
  fn: (argument: A) => Awaitable<R>,
  argument: A,
): R | Promise<R> {
  return runWith(scope, callBody<R>, fn as Fn<R>, argument);
}

function callBody<R>(_scope: ScopeNode, fn: Fn<R>, argument: unknown): R | Promise<R> {
  return call(fn, argument);
}

/** Calls `fn` with `scope` as the context, and tells the scope of its end. */
export function runIn<A, R>(
  scope: Enclosure,
  fn: (argument: A) => Awaitable<R>,
  argument: A,
): Promise<R>;
export function runIn<R>(scope: Enclosure, fn: () => Awaitable<R>): Promise<R>;
export function runIn<R>(scope: Enclosure, fn: Fn<R>, argument?: unknown): Promise<R> {
  return runWith(scope, runBody<R>, fn, argument);
}

/**
 * In the scope's own context to its end: to wait for it in another would keep that one in memory
 * for as long. There the scope is found again, so that no function need be made for each: an idle
 * connection is a task that waits.
 */
function runBody<R>(scope: Enclosure, fn: Fn<R>, argument: unknown): Promise<R> {
  const result = call(fn, argument);
  if (!(result instanceof Promise)) return Promise.resolve(scope.bodyEnded(result)) as Promise<R>;
  if (result.then === then) return result.then(endedHere, failedHere) as Promise<R>;
  // A promise with a `then` of its own may call back in any context.
  return result.then(
    (value) => scope.bodyEnded(value),
    (error: unknown) => scope.bodyFailed(error),
  ) as Promise<R>;
}

// eslint-disable-next-line @typescript-eslint/unbound-method -- only to be compared
const { then } = Promise.prototype;

function endedHere(value: unknown): unknown {
  return (contextStorage.getStore() as Enclosure).bodyEnded(value);
}

function failedHere(error: unknown): unknown {
  return (contextStorage.getStore() as Enclosure).bodyFailed(error);
}

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

class Shield extends BodyScope {
  override get isShield(): boolean {
    return true;
  }

  describe(): string {
    return 'shield';
  }
}

/**
 * Runs `fn` shielded, in the same task: no scope outside of it reaches its checkpoints. Scopes
 * opened inside work as everywhere. Its result and its error pass through as they are.
 *
 * Not a checkpoint: what was cancelled meanwhile feels it at the next one after this.
 */
export function ignoreCancellation<R>(fn: () => Awaitable<R>): Promise<R> {
  const shield = new Shield();
  try {
    checkFunction('fn', fn);
  } catch (error) {
    return Promise.reject<R>(error);
  }
  shield.enter();
  return shield.runBody(fn, undefined);
}

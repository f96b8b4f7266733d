import type { Awaitable } from '../contract/tasks';
import { checkFunction } from '../arguments/validate';
import { contextStorage, runWith } from '../waiting/context';
import { markHandled } from '../waiting/operation';
import { isCancellation, NO_ERROR } from './cancellation';
import { ScopeNode } from './scope-node';
import { isThenable } from './wait-for';

type Fn<R> = (...given: unknown[]) => Awaitable<R>;

/**
 * A scope around one function, which learns how the function ended. What these methods return or
 * throw replaces the result of the function.
 */
export interface ScopeWithBody extends ScopeNode {
  bodyEnded(value: unknown): unknown;
  bodyFailed(error: unknown): unknown;
}

/**
 * Calls `fn` with `argument`, or without any if it is undefined. Returns a Promise or a plain
 * value, never another thenable. An error that `fn` throws becomes a rejection.
 */
function call<R>(fn: Fn<R>, argument: unknown): R | Promise<R> {
  try {
    const result = argument === undefined ? fn() : fn(argument);
    // A lazy thenable, like that of a query builder, starts its work in `then`. The call of `then`
    // is made here, in the context of `fn`.
    return isThenable(result) ? Promise.resolve<R>(result) : result;
  } catch (error) {
    return Promise.reject<R>(error);
  }
}

/** Calls `fn` with `scope` as the context. */
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

/** Calls `fn` with `scope` as the context, and tells the scope how `fn` ended. */
export function runIn<A, R>(
  scope: ScopeWithBody,
  fn: (argument: A) => Awaitable<R>,
  argument: A,
): Promise<R>;
export function runIn<R>(scope: ScopeWithBody, fn: () => Awaitable<R>): Promise<R>;
export function runIn<R>(scope: ScopeWithBody, fn: Fn<R>, argument?: unknown): Promise<R> {
  return runWith(scope, runBody<R>, fn, argument);
}

/**
 * Waits in the scope's own context: waiting in another one would keep that context in memory for as
 * long. The callbacks find the scope in the context again, so that no closure is made per call: an
 * idle connection is a task that waits.
 */
function runBody<R>(scope: ScopeWithBody, fn: Fn<R>, argument: unknown): Promise<R> {
  const result = call(fn, argument);
  if (!(result instanceof Promise)) return Promise.resolve(scope.bodyEnded(result)) as Promise<R>;
  if (result.then === then) return result.then(endedHere, failedHere) as Promise<R>;
  // A promise with a custom `then` may call back in any context.
  return result.then(
    (value) => scope.bodyEnded(value),
    (error: unknown) => scope.bodyFailed(error),
  ) as Promise<R>;
}

// eslint-disable-next-line @typescript-eslint/unbound-method -- only to be compared
const { then } = Promise.prototype;

function endedHere(value: unknown): unknown {
  return (contextStorage.getStore() as ScopeWithBody).bodyEnded(value);
}

function failedHere(error: unknown): unknown {
  return (contextStorage.getStore() as ScopeWithBody).bodyFailed(error);
}

/** A scope that is left when its one function has ended: a cancel scope, or a shield. */
export abstract class BodyScope extends ScopeNode implements ScopeWithBody {
  #running: Promise<unknown> | null = null;

  /** Calls `fn` with `argument` in this scope, which has been entered. */
  runBody<A, R>(fn: (argument: A) => Awaitable<R>, argument: A): Promise<R> {
    const running = runIn(this, fn, argument);
    this.#running = running;
    return running;
  }

  bodyEnded(value: unknown): unknown {
    this.leave();
    return value;
  }

  bodyFailed(error: unknown): unknown {
    const rest = this.leaveWith(error);
    if (rest === NO_ERROR) {
      this.absorbed();
      return undefined;
    }
    if (isCancellation(rest) && this.#running !== null) markHandled(this.#running);
    throw rest;
  }

  /** Called when the scope has absorbed the whole error of its function. May throw another. */
  protected absorbed(): void {
    // `run` resolves to undefined.
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

/** See `Concurrency.ignoreCancellation`. */
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

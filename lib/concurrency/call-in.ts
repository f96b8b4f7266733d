import type { Awaitable } from '../contract/tasks';
import { contextStorage, runWith } from '../waiting/context';
import { isThenable } from './awaitable';
import type { ScopeNode } from './scope-node';

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

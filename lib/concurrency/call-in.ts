import { contextStorage } from '../internal/context';
import { type Awaitable, isThenable } from './awaitable';
import type { ScopeNode } from './scope-node';

/**
 * Calls `fn` with `argument`, or none. What this returns is no thenable but a promise, or a value that was there at once; what `fn` throws
 * becomes a rejection.
 */
export function call<R>(fn: (...given: unknown[]) => Awaitable<R>, argument?: unknown): R | Promise<R> {
  try {
    const result = argument === undefined ? fn() : fn(argument);
    // A lazy thenable, like that of a query builder, does its work in `then`: here, and so in the context of `fn`.
    return isThenable(result) ? Promise.resolve<R>(result) : result;
  } catch (error) {
    return Promise.reject<R>(error);
  }
}

/** `call` with `scope` as the context. */
export function callIn<A, R>(scope: ScopeNode, fn: (argument: A) => Awaitable<R>, argument: A): R | Promise<R>;
export function callIn<R>(scope: ScopeNode, fn: () => Awaitable<R>): R | Promise<R>;
export function callIn<R>(scope: ScopeNode, fn: (...given: unknown[]) => Awaitable<R>, argument?: unknown): R | Promise<R> {
  return contextStorage.run(scope, call<R>, fn, argument);
}

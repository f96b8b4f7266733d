import { contextStorage } from '../internal/context';
import { type Awaitable, isThenable } from './awaitable';
import type { ScopeNode } from './scope-node';

const adopt = <R>(thenable: PromiseLike<R>): Promise<R> => Promise.resolve(thenable);

/**
 * Calls `fn` with `scope` as its context, and with `argument`, or none. What this returns is no thenable but a promise, or a value that was there at once; what
 * `fn` throws becomes a rejection.
 */
export function callIn<A, R>(scope: ScopeNode, fn: (argument: A) => Awaitable<R>, argument: A): R | Promise<R>;
export function callIn<R>(scope: ScopeNode, fn: () => Awaitable<R>): R | Promise<R>;
export function callIn<R>(scope: ScopeNode, fn: (...given: unknown[]) => Awaitable<R>, argument?: unknown): R | Promise<R> {
  try {
    const result = argument === undefined ? contextStorage.run(scope, fn) : contextStorage.run(scope, fn, argument);
    if (result instanceof Promise) return Promise.resolve(result);
    if (!isThenable(result)) return result;
    // A lazy thenable, like that of a query builder, does its work in `then`.
    return contextStorage.run(scope, adopt<R>, result);
  } catch (error) {
    return Promise.reject<R>(error);
  }
}

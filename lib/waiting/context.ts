import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import process from 'node:process';
import type { WaitScope } from './wait-scope';

/**
 * A scope as the context of running code. The code may outlive the scope, as that of a promise does
 * that is not awaited.
 */
export interface Context extends WaitScope {
  /** Whether the scope has ended. */
  readonly isLeft: boolean;
  /**
   * The scope that code in this context belongs to: this one, or the innermost open scope around it
   * once this one has ended; undefined if there is none.
   */
  openAncestor(): WaitScope | undefined;
}

/**
 * The innermost scope around the running code, or undefined outside of all scopes. The library has
 * no other AsyncLocalStorage.
 */
export const contextStorage = new AsyncLocalStorage<Context | undefined>();

/**
 * The innermost open scope around the caller, or undefined if there is none: no cancellation can
 * reach the caller then.
 */
export function currentScope(): WaitScope | undefined {
  const scope = contextStorage.getStore();
  return scope === undefined || !scope.isLeft ? scope : scope.openAncestor();
}

/**
 * The first line of a checkpoint that is an async function of several steps.
 * @throws CancelledError if a scope around the caller is cancelled
 */
export function throwIfCancelled(): void {
  const cancellation = currentScope()?.cancellation ?? null;
  if (cancellation !== null) throw cancellation;
}

type Call<C, A, B, R> = (context: C, a: A, b: B) => R;

function runInPlace<C extends Context, A, B, R>(context: C, fn: Call<C, A, B, R>, a: A, b: B): R {
  return contextStorage.run(context, fn, context, a, b);
}

/**
 * `runInPlace` for versions of Node.js that keep contexts in AsyncContextFrames. There,
 * `AsyncLocalStorage.run` copies the map of all storages twice, on entry and on exit. An
 * AsyncResource remembers the frame to return to. A scope costs a third less time, and half the
 * memory.
 */
function runInFrame<C extends Context, A, B, R>(context: C, fn: Call<C, A, B, R>, a: A, b: B): R {
  return new AsyncResource('SockscopeContext').runInAsyncScope(
    enterAndCall,
    undefined,
    context,
    fn,
    a,
    b,
  ) as R;
}

function enterAndCall<C extends Context, A, B, R>(context: C, fn: Call<C, A, B, R>, a: A, b: B): R {
  contextStorage.enterWith(context);
  return fn(context, a, b);
}

// Bun and Deno report a version of Node.js, but keep contexts in ways of their own.
const hasFrames =
  Number.parseInt(process.versions.node, 10) >= 24 &&
  !('bun' in process.versions) &&
  !('deno' in process.versions);

/**
 * Calls `fn` with `context` as its context and as its first argument. Everything that `fn` starts
 * goes on in that context.
 */
export const runWith = hasFrames ? runInFrame : runInPlace;

/**
 * Calls `fn` with no async context, neither that of this library nor any of the user's. For timers
 * and other resources that serve many tasks and outlive each: Node.js would keep the context of the
 * task that happened to create them in memory.
 */
export const outsideOfTasks = AsyncLocalStorage.snapshot() as <R>(fn: () => R) => R;

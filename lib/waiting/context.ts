import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import process from 'node:process';
import type { WaitScope } from './operation';

/**
 * A scope as the context of code. The code may outlive it, as that of a promise which nobody
 * awaited does.
 */
export interface Context extends WaitScope {
  /** Whether it has been left. */
  readonly isLeft: boolean;
  /**
   * The scope of such code from then on: the innermost around it that is still open; undefined if
   * there is none.
   */
  heir(): WaitScope | undefined;
}

/**
 * The one AsyncLocalStorage of the library: the innermost scope of the running code. Undefined
 * outside of any.
 */
export const contextStorage = new AsyncLocalStorage<Context>();

/**
 * The innermost scope around the caller; undefined where there is none, and then nothing cancels.
 */
export function currentScope(): WaitScope | undefined {
  const scope = contextStorage.getStore();
  return scope === undefined || !scope.isLeft ? scope : scope.heir();
}

/**
 * Begins a checkpoint that is an async function of several steps.
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
 * The same where contexts are AsyncContextFrames. `AsyncLocalStorage.run` copies the map of all
 * storages twice there, to come in and to go out; an AsyncResource remembers the frame to go back
 * to. A third less time, and half the memory, for each scope.
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

// Bun and Deno claim to be some version of Node.js, and keep contexts in their own ways.
const hasFrames =
  Number.parseInt(process.versions.node, 10) >= 24 &&
  !('bun' in process.versions) &&
  !('deno' in process.versions);

/**
 * Calls `fn` with `context` as the context, in which everything that it starts goes on. It is
 * handed it, too.
 */
export const runWith = hasFrames ? runInFrame : runInPlace;

/**
 * Calls `fn` with no context at all, neither ours nor a user's. For what serves many tasks and
 * outlives each, like a timer: Node would make it remember, and keep in memory, whoever happened to
 * start it.
 */
export const outsideOfTasks = AsyncLocalStorage.snapshot() as <R>(fn: () => R) => R;

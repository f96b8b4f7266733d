import { checkFunction } from '../arguments/validate';
import { contextStorage } from '../waiting/context';

/**
 * Calls `fn` as if from outside of any scope and task, and returns what it returns: for what
 * outlives its maker, as pools and caches.
 *
 * **When it is needed.** A checkpoint belongs to the scope in whose context it is called, and all
 * that code starts inherits its context: promise callbacks, timers, and the events of sockets,
 * streams and workers. A scope that was cancelled stays cancelled for such code, also after its
 * `run` has ended. That is right for code that the scope left running. It is wrong for what was
 * only *created* there, and serves others later: a pool that opens connections in the background,
 * a cache that refreshes itself by a timer, an EventEmitter whose listeners call this library.
 * Each of their checkpoints would reject for ever. Make such objects in `outsideOfScopes`.
 *
 * No scope reaches what `fn` starts, no group or `bootstrap` waits for it, and `getCurrentTask`
 * throws there; so the object needs its own way to end. `bootstrap` may be called there. The values
 * of the caller's own AsyncLocalStorages stay visible. The call itself is no checkpoint.
 *
 * @throws TypeError if `fn` is not a function; whatever `fn` throws
 *
 * @example
 * await backend.openCancelScope().run((scope) => {
 *   const refresh = () => backend.sleep(1).then(() => console.log('refreshed')); // → refreshed
 *   outsideOfScopes(() => setTimeout(refresh, 1));
 *   scope.cancel();
 * });
 * await backend.sleep(50);
 */
export function outsideOfScopes<R>(fn: () => R): R {
  checkFunction('fn', fn);
  // Not `exit`: on Node.js 20, a `run` within would bring the store of the caller back.
  return contextStorage.run(undefined, fn);
}

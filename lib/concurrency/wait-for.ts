import { currentScope } from '../waiting/context';
import { cancelled, markHandled, isCancelled, Operation } from '../waiting/operation';
import { invalidArgument } from '../arguments/validate';

class ForeignPromise<R> extends Operation<R> {
  #isAbandoned = false;

  watch(promise: PromiseLike<R>): this {
    promise.then(
      (value) => {
        if (!this.#isAbandoned) this.settle(value);
      },
      (error: unknown) => {
        if (!this.#isAbandoned) this.fail(error);
      },
    );
    return this;
  }

  protected withdraw(): void {
    this.#isAbandoned = true;
  }

  describe(): string {
    return 'wait for a promise';
  }
}

/**
 * Makes a promise from elsewhere (fetch, a driver) a checkpoint. Cancelled, it is abandoned: what
 * it stands for goes on, and its late result, also a late rejection, is dropped. Hand
 * `scope.signal` to where the promise comes from, if that takes one.
 *
 * @throws TypeError, as a rejection, for what is no thenable
 */
export function waitFor<R>(promise: PromiseLike<R>): Promise<R> {
  if (!isThenable(promise)) return Promise.reject(invalidArgument('promise', 'a promise', promise));
  // A thenable's own `then` may call back at once, or twice, or throw.
  const real = Promise.resolve(promise);
  const scope = currentScope();
  if (isCancelled(scope)) {
    markHandled(real);
    return cancelled(scope);
  }
  return new ForeignPromise<R>().enter(scope).watch(real).promise;
}

/** The test of `await`: whatever has a `then` that can be called. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (value instanceof Promise) return true;
  if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return false;
  return typeof (value as { readonly then?: unknown }).then === 'function';
}

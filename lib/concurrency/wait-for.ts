import { currentScope } from '../waiting/context';
import { cancelled, markHandled, isCancelled, Operation } from '../waiting/operation';
import { invalidArgument } from '../arguments/validate';

class ForeignPromise<R> extends Operation<R> {
  #isAbandoned = false;

  watch(promise: PromiseLike<R>): this {
    promise.then(
      (value) => {
        if (!this.#isAbandoned) this.settleInTurn(value);
      },
      (error: unknown) => {
        if (!this.#isAbandoned) this.failInTurn(error);
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

/** See `Concurrency.waitFor`. */
export function waitFor<R>(promise: PromiseLike<R>): Promise<R> {
  let real: Promise<R>;
  try {
    if (!isThenable(promise)) throw invalidArgument('promise', 'a promise', promise);
    // The `then` of a foreign thenable may call back at once or twice, or throw.
    real = Promise.resolve(promise);
  } catch (error) {
    return Promise.reject<R>(error);
  }
  const scope = currentScope();
  if (isCancelled(scope)) {
    markHandled(real);
    return cancelled(scope);
  }
  return new ForeignPromise<R>().enter(scope).watch(real).promise;
}

/** Whether `await` would wait for the value: it has a method `then`. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (value instanceof Promise) return true;
  if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return false;
  return typeof (value as { readonly then?: unknown }).then === 'function';
}

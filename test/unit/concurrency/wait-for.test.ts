import { describe, expect, it } from 'vitest';
import { Deferred, rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

describe('waitFor', () => {
  it('settles with the result or the same error object as the promise', async () => {
    expect(await backend.waitFor(Promise.resolve(42))).toBe(42);
    const error = new Error('boom');
    expect(await rejection(backend.waitFor(Promise.reject(error)))).toBe(error);
  });

  it('abandons the promise when it is cancelled, and drops a late result or error', async () => {
    for (const settle of [
      (late: Deferred) => late.resolve(),
      (late: Deferred) => late.reject(new Error('late')),
    ]) {
      const late = new Deferred();
      const scope = backend.moveOnAfter(5);
      await scope.run(() => backend.waitFor(late.promise));
      expect(scope.cancelledCaught()).toBe(true);
      settle(late);
      await new Promise(setImmediate);
    }
  });

  it('drops the error of its promise in a cancelled scope', async () => {
    const scope = backend.openCancelScope();
    scope.cancel();
    await scope.run(() => backend.waitFor(Promise.reject(new Error('boom'))));
    expect(scope.cancelledCaught()).toBe(true);
    await new Promise(setImmediate);
  });

  it('takes any thenable, even one that calls back at once or twice, or throws', async () => {
    const twice = {
      then(resolve: (value: number) => void, reject: (reason: unknown) => void) {
        resolve(1);
        resolve(2);
        reject(new Error('too late'));
      },
    };
    expect(await backend.waitFor(twice as PromiseLike<number>)).toBe(1);
    const error = new Error('boom');
    const throwing = {
      then() {
        throw error;
      },
    };
    expect(await rejection(backend.waitFor(throwing as unknown as PromiseLike<number>))).toBe(
      error,
    );
  });

  it('refuses a value that is not a promise', async () => {
    for (const value of [5, undefined, null, () => Promise.resolve(), {}]) {
      expect(await rejection(backend.waitFor(value as never))).toMatchObject({
        code: 'ERR_INVALID_ARG_TYPE',
      });
    }
  });
});

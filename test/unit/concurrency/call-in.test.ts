import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from 'vitest';
import type { ConcurrencyBackend } from '#lib/concurrency/backend';
import { rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

const noContext = AsyncLocalStorage.snapshot();

/**
 * Makes a promise call back in another context than that of `then`: what libraries do that queue
 * callbacks.
 */
function elsewhere<T>(promise: Promise<T>): Promise<T> {
  const then = (
    onFulfilled: (value: T) => unknown,
    onRejected: (reason: unknown) => unknown,
  ): Promise<unknown> =>
    Promise.prototype.then.call(
      promise,
      (value: T) => noContext(() => onFulfilled(value)),
      (reason: unknown) => noContext(() => onRejected(reason)),
    );
  return Object.assign(promise, { then: then as typeof promise.then });
}

describe('what waits for the end of a body', () => {
  const bodies: readonly (readonly [
    string,
    (backend: ConcurrencyBackend, fn: () => Promise<number>) => Promise<unknown>,
  ])[] = [
    ['a cancel scope', (backend, fn) => backend.openCancelScope().run(fn)],
    ['a timeout', (backend, fn) => backend.timeout(1000).run(fn)],
    ['a shield', (backend, fn) => backend.ignoreCancellation(fn)],
    [
      'a task',
      (backend, fn) =>
        backend.createTaskGroup().run(async (group) => (await group.start(fn)).join()),
    ],
    ['the main function', (backend, fn) => backend.bootstrap(fn)],
  ];

  it.each(bodies)('is told by a promise that calls back elsewhere, too: %s', async (_what, run) => {
    const outer = backend.openCancelScope();
    await outer.run(async () => {
      expect(await run(backend, () => elsewhere(Promise.resolve(42)))).toBe(42);
      const error = new Error('boom');
      const failure = await rejection(run(backend, () => elsewhere(Promise.reject<number>(error))));
      expect(failure instanceof AggregateError ? failure.errors[0] : failure).toBe(error);
      // All have gone out, and nothing is left of them.
      expect(outer.firstChild).toBe(null);
    });
  });

  it('goes out in its own context, and leaves the caller in his', async () => {
    const storage = new AsyncLocalStorage<string>();
    const scope = backend.openCancelScope();
    const seen: (string | undefined)[] = [];
    await storage.run('caller', async () => {
      const running = scope.run(async () => {
        seen.push(storage.getStore());
        await storage.run('body', async () => {
          await backend.sleep(1);
          seen.push(storage.getStore());
        });
        seen.push(storage.getStore());
      });
      seen.push(storage.getStore());
      await running;
      seen.push(storage.getStore());
    });
    expect(seen).toEqual(['caller', 'caller', 'body', 'caller', 'caller']);
  });

  it('keeps what a body enters for the rest of its code to that code', async () => {
    const storage = new AsyncLocalStorage<string>();
    const scope = backend.openCancelScope();
    const felt = await scope.run(async () => {
      storage.enterWith('body');
      await backend.sleep(1);
      return storage.getStore();
    });
    expect(felt).toBe('body');
  });
});

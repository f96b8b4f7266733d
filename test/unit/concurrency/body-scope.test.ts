import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from 'vitest';
import type { ConcurrencyBackend } from '#lib/concurrency/backend';
import { taskTree } from '#lib/concurrency/task-tree';
import { CancelledError } from '#lib/errors';
import { rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

const noContext = AsyncLocalStorage.snapshot();

/**
 * Makes a promise call back in another context than that of `then`, as libraries do that queue
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

describe('the end of a body', () => {
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

  it.each(bodies)(
    'is noticed even if its promise calls back in another context: %s',
    async (_what, run) => {
      const outer = backend.openCancelScope();
      await outer.run(async () => {
        expect(await run(backend, () => elsewhere(Promise.resolve(42)))).toBe(42);
        const error = new Error('boom');
        const failure = await rejection(
          run(backend, () => elsewhere(Promise.reject<number>(error))),
        );
        expect(failure instanceof AggregateError ? failure.errors[0] : failure).toBe(error);
        // All scopes have ended and are out of the tree.
        expect(taskTree().flatMap(({ children }) => children)).toEqual([]);
      });
    },
  );

  it('leaves the scope in the context of the body, and keeps the context of the caller', async () => {
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

  it('does not leak a context that the body entered into the code after it', async () => {
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

describe('ignoreCancellation', () => {
  it('runs to its end and resolves to its value, even if the scope around it is cancelled repeatedly', async () => {
    const scope = backend.openCancelScope();
    const steps: number[] = [];
    let value: unknown;
    await scope.run(async () => {
      value = await backend.ignoreCancellation(async () => {
        for (let i = 0; i < 9; i++) {
          scope.cancel();
          await backend.sleep(1);
          steps.push(i);
        }
        return 42;
      });
      await backend.coroYield();
    });
    expect(value).toBe(42);
    expect(steps).toHaveLength(9);
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('is not a checkpoint itself in a cancelled scope', async () => {
    const scope = backend.openCancelScope();
    scope.cancel();
    expect(await scope.run(() => backend.ignoreCancellation(() => 'ran'))).toBe('ran');
  });

  it('leaves the cancellation to the first checkpoint after it, even after several shields in a row', async () => {
    const scope = backend.openCancelScope();
    await scope.run(async () => {
      await backend.ignoreCancellation(() => scope.cancel());
      await backend.ignoreCancellation(() => backend.sleep(5));
      await backend.cancelShieldedCoroYield();
      expect(await rejection(backend.coroYield())).toBe(scope.signal.reason);
    });
  });

  it('does not hide a cancellation that was swallowed before it', async () => {
    const scope = backend.openCancelScope();
    await scope.run(async () => {
      scope.cancel();
      await rejection(backend.sleep(1));
      await backend.ignoreCancellation(() => backend.sleep(1));
      await backend.sleep(1);
    });
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('rejects with the same error object, thrown at once or later', async () => {
    const scope = backend.openCancelScope();
    scope.cancel();
    const error = new Error('boom');
    await scope.run(async () => {
      const throwing = (): never => {
        throw error;
      };
      expect(await rejection(backend.ignoreCancellation(throwing))).toBe(error);
      expect(
        await rejection(backend.ignoreCancellation(() => backend.sleep(1).then(throwing))),
      ).toBe(error);
    });
  });

  it('passes on a CancelledError that its function made', async () => {
    const error = new CancelledError('mine');
    expect(await rejection(backend.ignoreCancellation(() => Promise.reject(error)))).toBe(error);
  });

  it('stays in the same task', async () => {
    await backend.bootstrap(async () => {
      const task = backend.getCurrentTask();
      await backend.ignoreCancellation(async () => {
        expect(backend.getCurrentTask()).toBe(task);
        await backend.sleep(1);
        expect(backend.getCurrentTask()).toBe(task);
      });
    });
  });

  it('lets scopes inside it cancel as usual', async () => {
    const outer = backend.openCancelScope();
    outer.cancel();
    await outer.run(async () => {
      const inner = backend.moveOnAfter(50);
      const start = backend.currentTime();
      await backend.ignoreCancellation(() => inner.run(() => backend.sleepForever()));
      expect(backend.currentTime()).toBe(start + 50);
      expect(inner.cancelledCaught()).toBe(true);
    });
  });

  it('shields the tasks of a group inside it, and no task of a group outside', async () => {
    const scope = backend.openCancelScope();
    const seen: string[] = [];
    await backend.bootstrap(() =>
      scope.run(() =>
        backend.createTaskGroup().run(async (outside) => {
          await backend.ignoreCancellation(() =>
            backend.createTaskGroup().run(async (inside) => {
              inside.startSoon(() => backend.sleep(5).then(() => seen.push('inside')));
              outside.startSoon(() => backend.sleep(5).then(() => seen.push('outside')));
              await backend.coroYield();
              scope.cancel();
            }),
          );
        }),
      ),
    );
    expect(seen).toEqual(['inside']);
  });

  it('works within another shield, and outside of any task', async () => {
    expect(
      await backend.ignoreCancellation(() =>
        backend.ignoreCancellation(() => backend.sleep(1).then(() => 1)),
      ),
    ).toBe(1);
  });

  it('calls its function without arguments', async () => {
    await backend.ignoreCancellation((...args: unknown[]) => {
      expect(args).toEqual([]);
    });
  });

  it('rejects a value that is not a function', async () => {
    expect(await rejection(backend.ignoreCancellation(backend.sleep(0) as never))).toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
    });
  });
});

describe('cancelShieldedCoroYield', () => {
  it('completes in a cancelled scope, any number of times', async () => {
    const scope = backend.openCancelScope();
    scope.cancel();
    let count = 0;
    await scope.run(async () => {
      await backend.cancelShieldedCoroYield();
      count++;
      await backend.cancelShieldedCoroYield();
      count++;
      await backend.coroYield();
      count++;
    });
    expect(count).toBe(2);
  });

  it('is not interrupted by a cancellation that comes while it waits', async () => {
    const scope = backend.openCancelScope();
    expect(
      await scope.run(async () => {
        const yielding = backend.cancelShieldedCoroYield();
        scope.cancel();
        await yielding;
        return 'through';
      }),
    ).toBe('through');
  });
});

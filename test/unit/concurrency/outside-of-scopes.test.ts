import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { InvalidStateError } from '#lib/errors';
import { outsideOfScopes, taskTree } from '#lib/index';
import { currentScope } from '#lib/waiting/context';
import { rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

/** Makes something in a scope that is cancelled then, and has ended when this resolves. */
async function madeInCancelledScope<T>(make: () => T): Promise<T> {
  const made: T[] = [];
  const scope = backend.openCancelScope();
  await scope.run(async () => {
    made.push(make());
    scope.cancel();
    await backend.coroYield();
  });
  expect(scope.cancelledCaught()).toBe(true);
  return made[0] as T;
}

/** A cache that refreshes itself, and says how each refresh ended. */
function startCache(): { readonly ticks: EventEmitter; readonly refreshed: Promise<unknown> } {
  const ticks = new EventEmitter();
  let chain: Promise<void> = Promise.resolve();
  const refreshed = new Promise((resolve) => {
    // Its steps run in the context in which the cache was made.
    chain = new Promise<void>((tick) => ticks.once('tick', tick)).then(async () => {
      await backend.sleep(1).then(() => resolve('refreshed'), resolve);
    });
  });
  void chain;
  return { ticks, refreshed };
}

describe('what was created in a scope that was cancelled and has ended', () => {
  it('is cancelled for ever, unless it was created outside of scopes', async () => {
    const inside = await madeInCancelledScope(startCache);
    inside.ticks.emit('tick');
    expect(await inside.refreshed).toMatchObject({ code: 'ABORT_ERR' });
    const outside = await madeInCancelledScope(() => outsideOfScopes(startCache));
    outside.ticks.emit('tick');
    expect(await outside.refreshed).toBe('refreshed');
  });
});

describe('outsideOfScopes', () => {
  it('returns what the function returns, and throws what it throws', async () => {
    expect(outsideOfScopes(() => 5)).toBe(5);
    const failure = new Error('boom');
    const thrown = (): never => {
      throw failure;
    };
    expect(() => outsideOfScopes(thrown)).toThrow(failure);
    await backend.openCancelScope().run((scope) => {
      expect(() => outsideOfScopes(thrown)).toThrow(failure);
      expect(currentScope()).toBe(scope);
    });
    expect(() => outsideOfScopes(5 as never)).toThrow(TypeError);
  });

  it('is outside of every scope and task, also after an await, and the caller is not', async () => {
    await backend.bootstrap(() =>
      backend.openCancelScope().run(async (scope) => {
        scope.cancel();
        const work = outsideOfScopes(async () => {
          await backend.sleep(1);
          expect(currentScope()).toBe(undefined);
          expect(() => backend.getCurrentTask()).toThrow(InvalidStateError);
          return 'done';
        });
        expect(currentScope()).toBe(scope);
        expect(await rejection(backend.coroYield())).toBe(scope.signal.reason);
        expect(await work).toBe('done');
      }),
    );
  });

  it('stays outside after a scope that is entered within, or a call of its own', async () => {
    await backend.openCancelScope().run(async (outer) => {
      outer.cancel();
      await outsideOfScopes(async () => {
        const inner = backend.openCancelScope();
        const running = inner.run(() => {
          expect(currentScope()).toBe(inner);
          expect(outsideOfScopes(currentScope)).toBe(undefined);
          expect(currentScope()).toBe(inner);
          return backend.sleep(1);
        });
        expect(currentScope()).toBe(undefined);
        expect(taskTree().map(({ what }) => what)).toContain('cancel scope');
        await running;
        expect(currentScope()).toBe(undefined);
        expect(inner.cancelCalled()).toBe(false);
      });
    });
  });

  it('keeps the values of other AsyncLocalStorages', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen = await storage.run('user', () =>
      madeInCancelledScope(() =>
        outsideOfScopes(async () => {
          const now = storage.getStore();
          await backend.sleep(1);
          return [now, storage.getStore()];
        }),
      ),
    );
    expect(seen).toEqual(['user', 'user']);
  });

  it('is where a task may call bootstrap, and a lock belongs to no task', async () => {
    await backend.bootstrap(async () => {
      expect(await outsideOfScopes(() => backend.bootstrap(() => 5))).toBe(5);
      const lock = backend.createLock();
      const guard = await outsideOfScopes(() => lock.acquire());
      expect(() => lock.release()).toThrow(/code outside of any task does/);
      guard[Symbol.dispose]();
    });
  });
});

import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter, once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { CancelledError, InvalidStateError } from '#lib/errors';
import { ConcurrencyBackend } from '#lib/concurrency/backend';
import { VirtualClock } from '#lib/testing/virtual-clock';
import { rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

describe('ConcurrencyBackend', () => {
  it('reads the time from its clock', () => {
    const clock = new VirtualClock({ start: 500 });
    expect(new ConcurrencyBackend({ clock }).currentTime()).toBe(500);
    const real = new ConcurrencyBackend();
    expect(Math.abs(real.currentTime() - performance.now())).toBeLessThan(10_000);
  });

  it('names the class of its cancellations', async () => {
    expect(backend.getCancelledErrorClass()).toBe(CancelledError);
  });

  it('works outside of any task', async () => {
    await backend.sleep(1);
    await backend.coroYield();
    await backend.cancelShieldedCoroYield();
    expect(await backend.gather(async () => 1)).toEqual([1]);
    expect(
      await backend.createTaskGroup().run(async (group) => (await group.start(() => 2)).join()),
    ).toBe(2);
    expect(await backend.timeout(5).run(() => backend.waitFor(Promise.resolve(3)))).toBe(3);
    const event = backend.createEvent();
    event.set();
    await event.wait();
  });
});

describe('getCurrentTask', () => {
  it('throws outside of a task, even in a scope', async () => {
    expect(() => backend.getCurrentTask()).toThrow(InvalidStateError);
    await backend.openCancelScope().run(() => {
      expect(() => backend.getCurrentTask()).toThrow(/outside of any task/);
    });
  });

  it('is the same info throughout one task, and a different one in each task', async () => {
    await backend.bootstrap(async () => {
      const main = backend.getCurrentTask();
      expect(Object.isFrozen(main)).toBe(true);
      await backend.sleep(1);
      expect(backend.getCurrentTask()).toBe(main);
      await backend.openCancelScope().run(() => expect(backend.getCurrentTask()).toBe(main));
      const [a, b] = await backend.gather(
        () => backend.getCurrentTask(),
        () => backend.getCurrentTask(),
      );
      expect(new Set([main.id, a.id, b.id]).size).toBe(3);
    });
  });
});

describe('the context of a scope', () => {
  it('follows async functions, promise chains, timers, ticks and event emitters', async () => {
    const scope = backend.openCancelScope();
    const feels = async (): Promise<boolean> =>
      (await rejection(
        backend.ignoreCancellation(() => backend.coroYield()).then(() => backend.coroYield()),
      )) === scope.signal.reason;
    await scope.run(async () => {
      const ways: (() => Promise<boolean>)[] = [
        async () => {
          await Promise.resolve();
          return feels();
        },
        () => Promise.resolve().then(feels),
        () => new Promise((resolve) => void setTimeout(() => resolve(feels()), 1)),
        () => new Promise((resolve) => void setImmediate(() => resolve(feels()))),
        () => new Promise((resolve) => process.nextTick(() => resolve(feels()))),
        () => new Promise((resolve) => queueMicrotask(() => resolve(feels()))),
        async () => {
          const emitter = new EventEmitter();
          setTimeout(() => emitter.emit('event'), 1);
          await once(emitter, 'event');
          return feels();
        },
        async () => {
          const emitter = new EventEmitter();
          const felt = new Promise<boolean>((resolve) =>
            emitter.on('event', () => resolve(feels())),
          );
          emitter.emit('event');
          return felt;
        },
      ];
      scope.cancel();
      for (const way of ways) expect(await way()).toBe(true);
    });
  });

  it('ends with the scope, and does not change the contexts of other storages', async () => {
    const storage = new AsyncLocalStorage<string>();
    await storage.run('user', async () => {
      const scope = backend.openCancelScope();
      await scope.run(async () => {
        expect(storage.getStore()).toBe('user');
        scope.cancel();
        await backend.sleep(1);
      });
      expect(storage.getStore()).toBe('user');
      await backend.coroYield();
    });
  });
});

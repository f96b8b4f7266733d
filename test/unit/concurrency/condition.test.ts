import type { ICondition } from '#lib/contract/locks';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { InvalidStateError } from '#lib/errors';
import { rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

/** Waits once, and logs while it holds the lock again. */
function waiter(condition: ICondition, log: string[], name: string): () => Promise<void> {
  return () =>
    condition.runExclusive(async () => {
      await condition.wait();
      log.push(name);
      expect(() => condition.notify(0)).not.toThrow();
      await backend.coroYield();
    });
}

describe('createConditionVar', () => {
  it('wakes as many tasks as notify() says, in order of arrival, each holding the lock', async () => {
    const condition = backend.createConditionVar();
    const log: string[] = [];
    await backend.gather(
      ...['a', 'b', 'c', 'd', 'e'].map((name) => waiter(condition, log, name)),
      async () => {
        await backend.sleep(1);
        await condition.runExclusive(() => {
          condition.notify();
          condition.notify(0);
          log.push('notified');
        });
        await backend.sleep(1);
        expect(log).toEqual(['notified', 'a']);
        await condition.runExclusive(() => condition.notify(2));
        await backend.sleep(1);
        expect(log).toEqual(['notified', 'a', 'b', 'c']);
        await condition.runExclusive(() => condition.notifyAll());
      },
    );
    expect(log).toEqual(['notified', 'a', 'b', 'c', 'd', 'e']);
    expect(condition.locked()).toBe(false);
  });

  it('does not remember a notification that no task waited for', async () => {
    const condition = backend.createConditionVar();
    await condition.runExclusive(() => {
      condition.notify(5);
      condition.notifyAll();
    });
    const scope = backend.moveOnAfter(5);
    await scope.run(() => condition.runExclusive(() => condition.wait()));
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('refuses calls from a task that does not hold the lock', async () => {
    const condition = backend.createConditionVar();
    const calls = async (): Promise<void> => {
      expect(() => condition.notify()).toThrow(InvalidStateError);
      expect(() => condition.notifyAll()).toThrow(InvalidStateError);
      expect(await rejection(condition.wait())).toBeInstanceOf(InvalidStateError);
    };
    await calls();
    await backend.bootstrap(async () => {
      await condition.acquire();
      await backend.gather(calls);
    });
  });

  it('holds the lock again when a cancelled wait rejects, however long that takes', async () => {
    const condition = backend.createConditionVar();
    const start = backend.currentTime();
    await backend.gather(
      async () => {
        const scope = backend.moveOnAfter(5);
        await scope.run(async () => {
          await condition.acquire();
          try {
            await condition.wait();
          } finally {
            expect(backend.currentTime()).toBe(start + 20);
            condition.release();
          }
        });
        expect(scope.cancelledCaught()).toBe(true);
      },
      async () => {
        await backend.sleep(1);
        await condition.runExclusive(() => backend.sleep(19));
      },
    );
    expect(condition.locked()).toBe(false);
  });

  it('uses up no notification if the wait is cancelled first: the next task gets it', async () => {
    const condition = backend.createConditionVar();
    const log: string[] = [];
    const scope = backend.openCancelScope();
    await backend.gather(
      () => scope.run(waiter(condition, log, 'cancelled')),
      waiter(condition, log, 'next'),
      async () => {
        await backend.sleep(1);
        await condition.runExclusive(() => {
          scope.cancel();
          condition.notify();
        });
      },
    );
    expect(log).toEqual(['next']);
  });

  it('uses up the notification if the wait is cancelled later, which the next checkpoint feels', async () => {
    const condition = backend.createConditionVar();
    const scope = backend.openCancelScope();
    let isNotified = false;
    await backend.gather(
      () =>
        scope.run(() =>
          condition.runExclusive(async () => {
            await condition.wait();
            isNotified = true;
            await backend.coroYield();
          }),
        ),
      async () => {
        await backend.sleep(1);
        await condition.runExclusive(async () => {
          condition.notify();
          scope.cancel();
          await backend.sleep(1);
        });
      },
    );
    expect(isNotified).toBe(true);
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('rejects at once in a cancelled scope, without releasing the lock', async () => {
    const condition = backend.createConditionVar();
    await condition.acquire();
    await backend.moveOnAfter(0).run(async () => {
      const waiting = rejection(condition.wait());
      expect(condition.locked()).toBe(true);
      await waiting;
    });
    condition.release();
  });

  it('keeps the guard of the lock valid after the wait', async () => {
    const condition = backend.createConditionVar();
    await backend.gather(
      async () => {
        const guard = await condition.acquire();
        await condition.wait();
        expect(condition.locked()).toBe(true);
        guard[Symbol.dispose]();
        expect(condition.locked()).toBe(false);
      },
      async () => {
        await backend.sleep(1);
        await condition.runExclusive(() => condition.notify());
      },
    );
  });

  it('shares the lock that it is given', async () => {
    for (const lock of [backend.createLock(), backend.createFairLock()]) {
      const condition = backend.createConditionVar(lock);
      await lock.acquire();
      expect(condition.locked()).toBe(true);
      condition.notify();
      condition.release();
      expect(lock.locked()).toBe(false);
    }
  });

  it('refuses a foreign lock, and a number that is not a count', async () => {
    const { acquire, release, locked, runExclusive } = backend.createLock();
    for (const lock of [
      { acquire, release, locked, runExclusive },
      null,
      5,
      backend.createConditionVar(),
    ]) {
      expect(() => backend.createConditionVar(lock as never)).toThrow(TypeError);
    }
    const condition = backend.createConditionVar();
    await condition.acquire();
    for (const n of [-1, 1.5, NaN]) expect(() => condition.notify(n)).toThrow(RangeError);
    expect(() => condition.notify('1' as never)).toThrow(TypeError);
  });

  it('shows its state', () => {
    expect(inspect(backend.createConditionVar())).toBe('Condition { locked: false, waiters: 0 }');
  });
});

import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { CancelledError, TimeoutError } from '#lib/errors';
import { Deferred, rejection, virtualBackend } from './fixture';

const backend = virtualBackend();
const shieldedSleep = (delay: number): Promise<void> =>
  backend.ignoreCancellation(() => backend.sleep(delay));

describe('nested scopes', () => {
  it('stop a cancellation at the end of the scope that was cancelled', async () => {
    const outer = backend.openCancelScope();
    const inner = backend.openCancelScope();
    const result = await outer.run(async () => {
      await inner.run(() => {
        inner.cancel();
        return backend.sleepForever();
      });
      await backend.coroYield();
      return 'after';
    });
    expect(result).toBe('after');
    expect([inner.cancelledCaught(), outer.cancelledCaught()]).toEqual([true, false]);
  });

  const orders: [string, ('inner' | 'outer')[]][] = [
    ['the outer one alone', ['outer']],
    ['the outer one first', ['outer', 'inner']],
    ['the inner one first', ['inner', 'outer']],
  ];
  for (const [what, order] of orders) {
    it(`let the outer scope win if both are cancelled: ${what}`, async () => {
      const scopes = { outer: backend.openCancelScope(), inner: backend.openCancelScope() };
      let isBetween = false;
      await scopes.outer.run(async () => {
        await scopes.inner.run(async () => {
          const sleep = backend.sleepForever();
          for (const name of order) scopes[name].cancel();
          await sleep;
        });
        isBetween = true;
      });
      expect(isBetween).toBe(false);
      expect([scopes.inner.cancelledCaught(), scopes.outer.cancelledCaught()]).toEqual([
        false,
        true,
      ]);
    });
  }

  it('reject with the error of the outer scope, even if the inner one was cancelled before it was entered', async () => {
    const outer = backend.openCancelScope();
    const inner = backend.openCancelScope();
    inner.cancel();
    await outer.run(async () => {
      outer.cancel();
      await inner.run(async () => {
        expect(await rejection(backend.sleep(1))).toBe(outer.signal.reason);
      });
    });
  });

  it('let the outer scope win if both have the same deadline', async () => {
    const deadline = backend.currentTime() + 10;
    const outer = backend.moveOnAt(deadline);
    const inner = backend.timeoutAt(deadline);
    await outer.run(() => inner.run(() => backend.sleepForever()));
    expect([inner.cancelledCaught(), outer.cancelledCaught()]).toEqual([false, true]);
  });

  it('let the outer scope win if it is cancelled while the inner one cleans up', async () => {
    const outer = backend.openCancelScope();
    const inner = backend.openCancelScope();
    await outer.run(() =>
      inner.run(async () => {
        inner.cancel();
        try {
          await backend.sleepForever();
        } finally {
          outer.cancel();
        }
      }),
    );
    expect([inner.cancelledCaught(), outer.cancelledCaught()]).toEqual([false, true]);
  });

  it('let the outer scope win if its deadline passes in a shield and the inner one is cancelled after it', async () => {
    const outer = backend.moveOnAfter(10);
    const inner = backend.openCancelScope();
    await outer.run(() =>
      inner.run(async () => {
        await shieldedSleep(50);
        inner.cancel();
        await backend.coroYield();
      }),
    );
    expect([inner.cancelledCaught(), outer.cancelledCaught()]).toEqual([false, true]);
  });

  it('drop a cancellation that met no checkpoint: the code after the scope goes on until the outer deadline', async () => {
    const start = backend.currentTime();
    const outer = backend.moveOnAfter(100);
    const inner = backend.moveOnAfter(10);
    await outer.run(async () => {
      await inner.run(() => shieldedSleep(50));
      expect(inner.cancelCalled()).toBe(true);
      await backend.sleep(20);
      expect(backend.currentTime()).toBe(start + 70);
      await backend.sleepForever();
    });
    expect(backend.currentTime()).toBe(start + 100);
    expect([inner.cancelledCaught(), outer.cancelledCaught()]).toEqual([false, true]);
  });

  it('feel an outer cancellation after an inner scope that was entered, cancelled and left without a checkpoint', async () => {
    const outer = backend.openCancelScope();
    const inner = backend.openCancelScope();
    let isAfter = false;
    await outer.run(async () => {
      outer.cancel();
      await shieldedSleep(1);
      await inner.run(() => inner.cancel());
      isAfter = true;
      await backend.coroYield();
    });
    expect(isAfter).toBe(true);
    expect([inner.cancelledCaught(), outer.cancelledCaught()]).toEqual([false, true]);
  });

  it('feel an outer cancellation after shielded yields in an inner scope', async () => {
    const outer = backend.openCancelScope();
    const inner = backend.openCancelScope();
    await outer.run(async () => {
      await inner.run(async () => {
        inner.cancel();
        await backend.cancelShieldedCoroYield();
        outer.cancel();
        await backend.cancelShieldedCoroYield();
      });
      await backend.coroYield();
    });
    expect([inner.cancelledCaught(), outer.cancelledCaught()]).toEqual([false, true]);
  });

  it('do not go on after an inner scope that is cancelled under a cancelled outer one', async () => {
    const outer = backend.openCancelScope();
    outer.cancel();
    let isAfter = false;
    await outer.run(async () => {
      const inner = backend.openCancelScope();
      inner.cancel();
      await inner.run(() => backend.sleepForever());
      isAfter = true;
    });
    expect(isAfter).toBe(false);
    expect(outer.cancelledCaught()).toBe(true);
  });

  it('turn three passed deadlines into one cancellation, without a TimeoutError', async () => {
    const outer = backend.moveOnAfter(0);
    let reached = 0;
    await outer.run(async () => {
      await backend.timeout(0).run(async () => {
        await backend.timeout(0).run(() => shieldedSleep(5));
        reached = 1;
      });
      reached = 2;
      await backend.coroYield();
      reached = 3;
    });
    expect(reached).toBe(2);
    expect(outer.cancelledCaught()).toBe(true);
  });

  it('work ten thousand deep', async () => {
    const outer = backend.openCancelScope();
    const nest = (depth: number): Promise<unknown> =>
      depth === 0
        ? backend.sleepForever()
        : backend.openCancelScope().run(() => Promise.resolve().then(() => nest(depth - 1)));
    await outer.run(async () => {
      const nested = nest(10_000);
      await backend.coroYield();
      outer.cancel();
      await nested;
    });
    expect(outer.cancelledCaught()).toBe(true);
  });

  it('can run side by side in one task', async () => {
    await backend.bootstrap(async () => {
      const scopes = [
        backend.moveOnAfter(10),
        backend.moveOnAfter(20),
        backend.openCancelScope(),
      ] as const;
      const start = backend.currentTime();
      const ends = await Promise.all(
        scopes.map(async (scope) => {
          await scope.run(() => backend.sleep(30));
          return backend.currentTime() - start;
        }),
      );
      expect(ends).toEqual([10, 20, 30]);
    });
  });
});

describe('code that outlives its scope', () => {
  it('moves its pending checkpoints to the scope around it', async () => {
    const outer = backend.openCancelScope();
    let late: Promise<unknown> | undefined;
    await outer.run(async () => {
      await backend.openCancelScope().run(() => {
        late = rejection(backend.sleepForever());
      });
      outer.cancel();
      expect(await late).toBe(outer.signal.reason);
    });
  });

  it('belongs to the scope around it when it opens new scopes', async () => {
    const outer = backend.openCancelScope();
    const gate = new Deferred();
    await outer.run(async () => {
      let late: Promise<unknown> | undefined;
      await backend.openCancelScope().run(() => {
        late = gate.promise.then(() =>
          rejection(backend.openCancelScope().run(() => backend.sleepForever())),
        );
      });
      gate.resolve();
      await backend.coroYield();
      outer.cancel();
      expect(await late).toBe(outer.signal.reason);
    });
  });

  it('moves the scopes that it is in to the scope around it', async () => {
    const outer = backend.openCancelScope();
    await outer.run(async () => {
      let late: Promise<unknown> | undefined;
      const inner = backend.openCancelScope();
      await backend.openCancelScope().run(() => {
        late = rejection(inner.run(() => backend.sleepForever()));
      });
      outer.cancel();
      expect(await late).toBe(outer.signal.reason);
      expect(inner.cancelledCaught()).toBe(false);
    });
  });

  it('is no longer shielded once it has outlived the shield', async () => {
    const outer = backend.openCancelScope();
    await outer.run(async () => {
      outer.cancel();
      let sleeping: Promise<unknown> | undefined;
      let nested: Promise<unknown> | undefined;
      await backend.ignoreCancellation(() => {
        sleeping = rejection(backend.sleepForever());
        nested = rejection(backend.openCancelScope().run(() => backend.sleepForever()));
      });
      expect(await sleeping).toBe(outer.signal.reason);
      expect(await nested).toBe(outer.signal.reason);
    });
  });

  it('stays cancelled if its scope was cancelled, even in new scopes', async () => {
    const scope = backend.openCancelScope();
    const gate = new Deferred();
    let late: Promise<unknown[]> | undefined;
    await scope.run(async () => {
      late = gate.promise.then(async () => [
        await rejection(backend.sleep(1)),
        await rejection(backend.openCancelScope().run(() => backend.sleep(1))),
        await backend.ignoreCancellation(() => backend.sleep(1).then(() => 'shielded')),
      ]);
      scope.cancel();
      await backend.sleep(1);
    });
    gate.resolve();
    expect(await late).toEqual([scope.signal.reason, scope.signal.reason, 'shielded']);
  });

  it('is in no scope when none around it is open', async () => {
    let late: Promise<void> | undefined;
    await backend.bootstrap(async () => {
      late = new Promise<void>(setImmediate).then(() => backend.sleep(1));
    });
    await late;
  });
});

describe('code that outlives its task', () => {
  it('still runs in that task, and may release a lock that the task holds', async () => {
    await backend.bootstrap(async () => {
      const lock = backend.createLock();
      const main = backend.getCurrentTask();
      const gate = new Deferred();
      let late: Promise<void> | undefined;
      await backend.gather(async () => {
        const task = backend.getCurrentTask();
        await lock.acquire();
        late = gate.promise.then(() => {
          expect(backend.getCurrentTask()).toBe(task);
          lock.release();
        });
      });
      expect(backend.getCurrentTask()).toBe(main);
      expect(() => lock.release()).toThrow(/does not hold it/);
      gate.resolve();
      await late;
      expect(lock.locked()).toBe(false);
    });
  });
});

describe('a cancellation that is not awaited', () => {
  it('is not an unhandled rejection of any call', async () => {
    const scope = backend.openCancelScope();
    await scope.run(async () => {
      const lock = backend.createLock();
      await lock.acquire();
      const condition = backend.createConditionVar(lock);
      void backend.sleep(1);
      void backend.coroYield();
      void backend.createEvent().wait();
      void condition.wait();
      void backend.openCancelScope().run(() => backend.sleepForever());
      void backend.timeout(5).run(() => backend.sleepForever());
      void backend.ignoreCancellation(() => Promise.reject(new CancelledError()));
      void backend.waitFor(new Promise(() => undefined));
      void backend.gather(() => backend.sleepForever());
      void backend.createTaskGroup().run(() => backend.sleepForever());
      void backend.createTaskGroup().run((group) => group.startSoon(() => backend.sleepForever()));
      void lock.runExclusive(() => backend.sleepForever());
      const aborting = backend.openCancelScope();
      void aborting.run(() => delay(100_000, undefined, { signal: aborting.signal, ref: false }));
      await backend.coroYield();
      scope.cancel();
      void backend.sleep(1);
      void backend.gather();
      void lock.acquire();
      void backend.waitFor(Promise.reject(new TimeoutError()));
    });
    await new Promise(setImmediate);
  });
});

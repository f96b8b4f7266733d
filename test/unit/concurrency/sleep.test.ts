import { readFile } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConcurrencyBackend } from '#lib/concurrency/backend';
import { rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

describe('sleep', () => {
  it('waits on the clock of the backend', async () => {
    const start = backend.currentTime();
    await backend.sleep(25);
    expect(backend.currentTime()).toBe(start + 25);
  });

  it('is never too short on the system clock', async () => {
    const real = new ConcurrencyBackend();
    for (const delay of [0.2, 1, 1.5, 3.7]) {
      const start = real.currentTime();
      await real.sleep(delay);
      expect(real.currentTime() - start).toBeGreaterThanOrEqual(delay);
    }
  });

  it('wakes tasks of the same deadline in the order in which they went to sleep', async () => {
    const log: number[] = [];
    const deadline = backend.currentTime() + 10;
    await Promise.all(
      [0, 1, 2, 3, 4].map((i) => backend.sleepUntil(deadline).then(() => log.push(i))),
    );
    expect(log).toEqual([0, 1, 2, 3, 4]);
  });

  it('lets every other ready task run first if the delay is 0', async () => {
    const log: string[] = [];
    await backend.createTaskGroup().run(async (group) => {
      group.startSoon(async () => {
        log.push('task');
        await Promise.resolve();
        log.push('task goes on');
      });
      await backend.sleep(0);
      log.push('body');
    });
    expect(log).toEqual(['task', 'task goes on', 'body']);
  });

  it('refuses negative times and NaN, as a rejection', async () => {
    for (const delay of [-1, NaN, -Infinity])
      expect(await rejection(backend.sleep(delay))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    expect(await rejection(backend.sleep('1' as never))).toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
    });
    expect(await rejection(backend.sleepUntil(NaN))).toBeInstanceOf(RangeError);
  });

  it('ends only by a cancellation if the delay is Infinity', async () => {
    for (const forever of [
      () => backend.sleep(Infinity),
      () => backend.sleepUntil(Infinity),
      () => backend.sleepForever(),
    ]) {
      const scope = backend.moveOnAfter(1e9);
      await scope.run(forever);
      expect(scope.cancelledCaught()).toBe(true);
    }
  });

  it('leaves no deadline behind when it is cancelled', async () => {
    const start = backend.currentTime();
    await backend.moveOnAfter(5).run(() => backend.sleep(1000));
    await backend.sleep(10);
    expect(backend.currentTime()).toBe(start + 15);
  });
});

describe('sleepUntil', () => {
  it('sleeps until that time', async () => {
    const deadline = backend.currentTime() + 30;
    await backend.sleepUntil(deadline);
    expect(backend.currentTime()).toBe(deadline);
  });

  it('is a plain checkpoint if the deadline has passed', async () => {
    const start = backend.currentTime();
    await backend.sleepUntil(start - 5);
    await backend.sleepUntil(-Infinity);
    expect(backend.currentTime()).toBe(start);
    expect(
      await backend
        .moveOnAfter(0)
        .run(() => backend.sleepUntil(start - 5).then(() => 'not reached')),
    ).toBe(undefined);
  });
});

describe('coroYield', () => {
  it('lets every other ready task run once, however many steps its promises take', async () => {
    const log: string[] = [];
    await backend.createTaskGroup().run(async (group) => {
      group.startSoon(async () => {
        for (let i = 0; i < 100; i++) await Promise.resolve();
        log.push('task');
      });
      await backend.coroYield();
      log.push('body');
    });
    expect(log).toEqual(['task', 'body']);
  });

  it('takes turns with other tasks that yield', async () => {
    const log: string[] = [];
    await backend.gather(
      ...['a', 'b'].map((name) => async () => {
        for (let i = 0; i < 3; i++) {
          log.push(name + String(i));
          await backend.coroYield();
        }
      }),
    );
    expect(log).toEqual(['a0', 'b0', 'a1', 'b1', 'a2', 'b2']);
  });

  it('lets pending I/O run', async () => {
    const real = new ConcurrencyBackend();
    const state = { isRead: false };
    readFile(new URL(import.meta.url), () => {
      state.isRead = true;
    });
    // Each turn is one round of the loop. The thread that reads the file takes several.
    for (let i = 0; i < 1_000_000 && !state.isRead; i++) await real.coroYield();
    expect(state.isRead).toBe(true);
  });

  it('rejects at once in a cancelled scope, and is interrupted by a cancellation', async () => {
    const scope = backend.openCancelScope();
    await scope.run(async () => {
      const yielding = backend.coroYield();
      scope.cancel();
      await yielding;
    });
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('takes no time from a virtual clock', async () => {
    const start = backend.currentTime();
    let hasSlept = false;
    await backend.gather(
      () => backend.sleep(1).then(() => (hasSlept = true)),
      async () => {
        for (let i = 0; i < 100; i++) await backend.coroYield();
        expect(hasSlept).toBe(false);
        expect(backend.currentTime()).toBe(start);
      },
    );
  });
});

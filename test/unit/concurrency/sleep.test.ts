import { describe, expect, it } from 'vitest';
import { ConcurrencyBackend } from '#lib/concurrency/backend';
import { rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

describe('sleep', () => {
  it('takes its time on the clock of the backend', async () => {
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

  it('wakes sleepers of the same moment in the order in which they went to sleep', async () => {
    const log: number[] = [];
    const deadline = backend.currentTime() + 10;
    await Promise.all(
      [0, 1, 2, 3, 4].map((i) => backend.sleepUntil(deadline).then(() => log.push(i))),
    );
    expect(log).toEqual([0, 1, 2, 3, 4]);
  });

  it('of 0 lets every other ready task run first', async () => {
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

  it('of Infinity ends by cancellation alone', async () => {
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

  it('of a time that has passed is a plain checkpoint', async () => {
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

import { AsyncLocalStorage } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { systemClock } from '#lib/concurrency/clock';
import { Deferred } from './fixture';

describe('systemClock', () => {
  it('never goes back', () => {
    let last = systemClock.now();
    for (let i = 0; i < 1000; i++) {
      const now = systemClock.now();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
  });

  it('rings an alarm when it is due, and from the event loop if it was due before', async () => {
    const rung = new Deferred();
    let isSetting = true;
    const alarm = systemClock.createAlarm(() => {
      expect(isSetting).toBe(false);
      rung.resolve();
    });
    alarm.hold(true);
    alarm.set(systemClock.now() - 100);
    isSetting = false;
    await rung.promise;
    alarm.hold(false);
  });

  it('lets an alarm be set to another time, and be cleared', async () => {
    let count = 0;
    const alarm = systemClock.createAlarm(() => count++);
    alarm.set(systemClock.now() + 1);
    alarm.set(Infinity);
    const rung = new Deferred();
    const other = systemClock.createAlarm(() => rung.resolve());
    other.hold(true);
    other.set(systemClock.now() + 1e9);
    other.set(systemClock.now() + 3);
    await rung.promise;
    other.hold(false);
    expect(count).toBe(0);
  });

  it('waits longer than a timer of Node.js can', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): unknown => warnings.push(warning);
    process.on('warning', onWarning);
    let count = 0;
    const alarm = systemClock.createAlarm(() => count++);
    alarm.set(systemClock.now() + 2 ** 33);
    const rung = new Deferred();
    const soon = systemClock.createAlarm(() => rung.resolve());
    soon.hold(true);
    soon.set(systemClock.now() + 5);
    await rung.promise;
    soon.hold(false);
    alarm.set(Infinity);
    process.off('warning', onWarning);
    expect([count, warnings]).toEqual([0, []]);
  });

  it('rings, and calls back in the next turn, outside of every context', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen = await storage.run('user', async () => {
      const rung = new Deferred<unknown>();
      const alarm = systemClock.createAlarm(() => rung.resolve(storage.getStore()));
      alarm.hold(true);
      alarm.set(systemClock.now());
      const turned = new Deferred<unknown>();
      systemClock.nextTurn(() => turned.resolve(storage.getStore()));
      const both = await Promise.all([rung.promise, turned.promise]);
      alarm.hold(false);
      return both;
    });
    expect(seen).toEqual([undefined, undefined]);
  });
});

describe('a process with a backend', () => {
  const concurrency = createRequire(import.meta.url).resolve(
    '../../../dist/concurrency/backend.js',
  );

  /** The output of a script that ends by itself. */
  async function run(body: string): Promise<string> {
    const script = `
      const { ConcurrencyBackend } = require(${JSON.stringify(concurrency)});
      const backend = new ConcurrencyBackend();
      ${body}`;
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], {
      timeout: 15_000,
    });
    return stdout.trim();
  }

  it('stays alive for a sleep, and for a deadline that ends an endless wait', async () => {
    expect(await run("backend.sleep(20).then(() => console.log('slept'))")).toBe('slept');
    expect(
      await run(
        'backend.timeout(20).run(() => backend.sleepForever()).catch((error) => console.log(error.code))',
      ),
    ).toBe('ETIMEDOUT');
    expect(
      await run(
        "backend.moveOnAfter(20).run(() => backend.createEvent().wait()).then(() => console.log('moved on'))",
      ),
    ).toBe('moved on');
  });

  it('stays alive for a task that sleeps for ever, which a signal can end', async () => {
    const body = `
      const controller = new AbortController();
      backend.bootstrap(() => backend.sleepForever(), { signal: controller.signal }).catch((error) => console.log(error.cause));
      setTimeout(() => controller.abort('shutdown'), 20).unref();`;
    expect(await run(body)).toBe('shutdown');
  });

  it('stays alive for a task that sleeps for ever, even after the sleep of another task has ended', async () => {
    const body = `
      const controller = new AbortController();
      const main = () => backend.gather(() => backend.sleepForever(), () => backend.sleep(5));
      backend.bootstrap(main, { signal: controller.signal }).catch((error) => console.log(error.cause));
      setTimeout(() => controller.abort('shutdown'), 200).unref();`;
    expect(await run(body)).toBe('shutdown');
  });

  it('ends at once when no timeout was needed, no matter how long they were', async () => {
    const body = `
      backend.bootstrap(async () => {
        for (let i = 0; i < 10; i++) {
          await backend.timeout(60_000).run(() => backend.coroYield());
          await backend.moveOnAfter(1).run(() => backend.sleep(100_000));
        }
        console.log('done');
      });`;
    expect(await run(body)).toBe('done');
  });

  it('ends when nothing is left that could wake the waiting tasks', async () => {
    expect(
      await run("backend.bootstrap(() => backend.createEvent().wait()); console.log('waiting')"),
    ).toBe('waiting');
  });
});

import { readFile } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConcurrencyBackend } from '#lib/concurrency/backend';
import { virtualBackend } from './fixture';

const backend = virtualBackend();

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

  it('takes turns with others who do the same', async () => {
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
    // Each turn is one round of the loop; the thread that reads needs some.
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

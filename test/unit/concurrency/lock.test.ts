import type { ILock } from '#lib/contract/locks';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { InvalidStateError } from '#lib/errors';
import { rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

const kinds: [string, () => ILock][] = [
  ['createLock', () => backend.createLock()],
  ['createFairLock', () => backend.createFairLock()],
  ['createConditionVar', () => backend.createConditionVar()],
];

describe.each(kinds)('%s', (_name, createLock) => {
  it('is held from acquire to release', async () => {
    const lock = createLock();
    expect(lock.locked()).toBe(false);
    await lock.acquire();
    expect(lock.locked()).toBe(true);
    lock.release();
    expect(lock.locked()).toBe(false);
  });

  it('resolves acquire() to a guard for `using`, which releases the lock once', async () => {
    const lock = createLock();
    await backend.gather(
      async () => {
        const guard = await lock.acquire();
        guard[Symbol.dispose]();
        expect(lock.locked()).toBe(false);
        await backend.sleep(5);
        expect(lock.locked()).toBe(true);
        guard[Symbol.dispose]();
        expect(lock.locked()).toBe(true);
      },
      async () => {
        await backend.sleep(1);
        const guard = await lock.acquire();
        await backend.sleep(10);
        lock.release();
        guard[Symbol.dispose]();
        await lock.acquire();
        guard[Symbol.dispose]();
        expect(lock.locked()).toBe(true);
        lock.release();
      },
    );
  });

  it('may be released through its guard by another task', async () => {
    const lock = createLock();
    await backend.bootstrap(async () => {
      const guard = await lock.acquire();
      await backend.gather(() => guard[Symbol.dispose]());
      expect(lock.locked()).toBe(false);
    });
  });

  it('is held by one task at a time, strictly in order of arrival', async () => {
    const lock = createLock();
    const log: string[] = [];
    let holders = 0;
    const use = (name: string) => async () => {
      const guard = await lock.acquire();
      expect(++holders).toBe(1);
      log.push(name);
      await backend.sleep(1);
      holders--;
      guard[Symbol.dispose]();
    };
    await backend.gather(
      use('a'),
      use('b'),
      () => lock.runExclusive(async () => log.push('c')),
      use('d'),
    );
    expect(log).toEqual(['a', 'b', 'c', 'd']);
    expect(lock.locked()).toBe(false);
  });

  it('does not go to a task that asks again before a task that waits', async () => {
    const lock = createLock();
    const log: string[] = [];
    const twice = (name: string) => async () => {
      for (let i = 0; i < 2; i++) {
        await lock.acquire();
        log.push(name + String(i));
        await backend.coroYield();
        lock.release();
      }
    };
    await backend.gather(twice('a'), twice('b'));
    expect(log).toEqual(['a0', 'b0', 'a1', 'b1']);
  });

  it('is acquired and released without a pause if no other task wants it', async () => {
    const lock = createLock();
    const log: string[] = [];
    await backend.createTaskGroup().run(async (group) => {
      group.startSoon(() => log.push('task'));
      await lock.acquire();
      log.push('acquired');
      lock.release();
      expect(lock.locked()).toBe(false);
    });
    expect(log.sort()).toEqual(['acquired', 'task']);
  });

  it('refuses to be acquired twice by one task', async () => {
    const lock = createLock();
    await backend.bootstrap(async () => {
      await lock.acquire();
      expect(await rejection(lock.acquire())).toMatchObject({
        code: 'ERR_INVALID_STATE',
        message: expect.stringContaining('reentrant') as unknown,
      });
      await backend.openCancelScope().run(async () => {
        expect(await rejection(lock.acquire())).toBeInstanceOf(InvalidStateError);
      });
      await backend.ignoreCancellation(() => lock.release());
      await lock.acquire();
    });
  });

  it('refuses to be released when it is free, or held by another task', async () => {
    const lock = createLock();
    expect(() => lock.release()).toThrow(InvalidStateError);
    expect(() => lock.release()).toThrow(/not held/);
    await backend.bootstrap(async () => {
      await lock.acquire();
      await backend.gather(() => {
        expect(() => lock.release()).toThrow(/does not hold it/);
      });
      lock.release();
      expect(() => lock.release()).toThrow(InvalidStateError);
    });
  });

  it('treats code outside of any task as one owner', async () => {
    const lock = createLock();
    await lock.acquire();
    expect(await rejection(lock.acquire())).toBeInstanceOf(InvalidStateError);
    await backend.bootstrap(() => {
      expect(() => lock.release()).toThrow(/outside of any task/);
    });
    await backend.openCancelScope().run(() => lock.release());
    expect(lock.locked()).toBe(false);
  });

  it('is not acquired by a waiter that is cancelled', async () => {
    const lock = createLock();
    await backend.bootstrap(async () => {
      await lock.acquire();
      await backend.gather(async () => {
        await backend.moveOnAfter(5).run(() => lock.acquire());
      });
      expect(lock.locked()).toBe(true);
      lock.release();
      expect(lock.locked()).toBe(false);
    });
  });

  it('goes to the next waiter if the first one is cancelled before the release in the same turn', async () => {
    for (const order of ['cancel, release', 'release, cancel']) {
      const lock = createLock();
      const scope = backend.openCancelScope();
      const got: string[] = [];
      await backend.bootstrap(() =>
        backend.gather(
          async () => {
            await lock.acquire();
            await backend.coroYield();
            for (const step of order.split(', ')) {
              if (step === 'cancel') scope.cancel();
              else lock.release();
            }
          },
          () =>
            scope.run(async () => {
              const guard = await lock.acquire();
              got.push('first');
              guard[Symbol.dispose]();
            }),
          async () => {
            await lock.acquire();
            got.push('second');
            expect(lock.locked()).toBe(true);
            lock.release();
          },
        ),
      );
      // If the release comes first, the first waiter holds the lock when it is cancelled.
      expect(got).toEqual(order === 'cancel, release' ? ['second'] : ['first', 'second']);
      expect(lock.locked()).toBe(false);
    }
  });

  it('survives the cancellation of all tasks, in any order', async () => {
    const lock = createLock();
    await backend.bootstrap(async () => {
      for (let round = 0; round < 50; round++) {
        const scopes = Array.from({ length: 5 }, () => backend.openCancelScope());
        let holders = 0;
        await backend.gather(
          ...scopes.map(
            (scope) => () =>
              scope.run(() =>
                lock.runExclusive(async () => {
                  expect(++holders).toBe(1);
                  await backend.coroYield().finally(() => holders--);
                }),
              ),
          ),
          async () => {
            for (let i = 0; i < 5; i++) {
              scopes[(i * (round + 1)) % 5]?.cancel();
              if ((round >> i) % 2 === 0) await backend.cancelShieldedCoroYield();
            }
          },
        );
        expect(lock.locked()).toBe(false);
      }
    });
  });

  it('is released by runExclusive, no matter what its function does', async () => {
    const lock = createLock();
    const error = new Error('boom');
    expect(await lock.runExclusive(() => (lock.locked() ? 'held' : 'free'))).toBe('held');
    expect(await rejection(lock.runExclusive(() => Promise.reject(error)))).toBe(error);
    expect(lock.locked()).toBe(false);
    await lock.runExclusive(() => lock.release());
    expect(lock.locked()).toBe(false);
    await backend.moveOnAfter(1).run(() => lock.runExclusive(() => backend.sleepForever()));
    expect(lock.locked()).toBe(false);
    expect(await rejection(lock.runExclusive(5 as never))).toBeInstanceOf(TypeError);
    expect(lock.locked()).toBe(false);
  });
});

describe('inspect(lock)', () => {
  it('shows the state and the number of waiters', async () => {
    const lock = backend.createFairLock();
    await lock.acquire();
    const waiting = backend.bootstrap(() => backend.moveOnAfter(1).run(() => lock.acquire()));
    expect(inspect(lock)).toBe('FairLock { locked: true, waiters: 1 }');
    await waiting;
    expect(inspect(lock)).toBe('FairLock { locked: true, waiters: 0 }');
  });
});

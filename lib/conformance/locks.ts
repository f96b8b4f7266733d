import type { ILock } from '../contract/locks';
import assert from 'node:assert/strict';
import type { AsyncBackend } from '../contract/backend';
import {
  BAD_STATE,
  BAD_TYPE,
  CANCELLED,
  endsQuietly,
  hasSettled,
  rejectsWith,
  throwsWith,
  turns,
} from './expectations';
import { defineSuite } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';

const LOCKS: readonly (readonly [string, (backend: AsyncBackend) => ILock])[] = [
  ['a lock', (backend) => backend.createLock()],
  ['a fair lock', (backend) => backend.createFairLock()],
];

/** Defines the tests of locks, events and conditions. */
export function testLocks(runner: TestRunner, subject: ConformanceSubject): void {
  for (const [name, create] of LOCKS) {
    defineSuite(runner, subject, name, (test) => {
      test('is held from acquire to release, or to the end of `using`', async ({ backend }) => {
        const lock = create(backend);
        assert.equal(lock.locked(), false);
        const guard = await lock.acquire();
        assert.equal(lock.locked(), true);
        lock.release();
        assert.equal(lock.locked(), false);
        guard[Symbol.dispose]();
        {
          using _held = await lock.acquire();
          assert.equal(lock.locked(), true);
        }
        assert.equal(lock.locked(), false);
      });

      test('a guard that is disposed twice releases once', async ({ backend }) => {
        const lock = create(backend);
        const first = await lock.acquire();
        first[Symbol.dispose]();
        await lock.acquire();
        first[Symbol.dispose]();
        assert.equal(lock.locked(), true);
        lock.release();
      });

      test('cannot be released by a task that does not hold it, nor acquired twice by one task', async ({
        backend,
      }) => {
        const lock = create(backend);
        throwsWith(BAD_STATE, () => lock.release());
        await lock.acquire();
        await rejectsWith(BAD_STATE, () => lock.acquire());
        await backend.gather(() => throwsWith(BAD_STATE, () => lock.release()));
        assert.equal(lock.locked(), true);
        lock.release();
        throwsWith(BAD_STATE, () => lock.release());
      });

      test('only one task holds it at a time, however its holders wait', async ({ backend }) => {
        const lock = create(backend);
        let inside = 0;
        let most = 0;
        await backend.gather(
          ...Array.from(
            { length: 20 },
            (_, i) => () =>
              lock.runExclusive(async () => {
                most = Math.max(most, ++inside);
                if (i % 2 === 0) await backend.coroYield();
                else await backend.sleep(1);
                inside--;
              }),
          ),
        );
        assert.equal(most, 1);
        assert.equal(lock.locked(), false);
      });

      test('runExclusive settles as its function does, and always releases', async ({
        backend,
      }) => {
        const lock = create(backend);
        assert.equal(await lock.runExclusive(() => 5), 5);
        const failure = new Error('inside');
        await assert.rejects(
          lock.runExclusive(() => Promise.reject(failure)),
          (error) => error === failure,
        );
        assert.equal(lock.locked(), false);
      });

      test('in a cancelled scope acquire rejects, even if the lock is free', async (scenario) => {
        const lock = create(scenario.backend);
        await scenario.inCancelledScope(() => rejectsWith(CANCELLED, () => lock.acquire()));
        assert.equal(lock.locked(), false);
      });

      test('a cancelled waiter leaves the queue, and the next waiter gets the lock', async ({
        backend,
      }) => {
        const lock = create(backend);
        const got: string[] = [];
        const scope = backend.openCancelScope();
        await backend.createTaskGroup().run(async (group) => {
          await lock.acquire();
          await group.start(() =>
            scope.run(() => lock.runExclusive(() => void got.push('cancelled'))),
          );
          await group.start(() => lock.runExclusive(() => void got.push('next')));
          await turns(2);
          scope.cancel();
          await turns(2);
          assert.equal(lock.locked(), true);
          assert.deepEqual(got, []);
          lock.release();
        });
        assert.deepEqual(got, ['next']);
        assert.equal(lock.locked(), false);
      });

      test('a waiter that is woken and cancelled in the same turn passes the lock on', async ({
        backend,
      }) => {
        const lock = create(backend);
        const got: string[] = [];
        const scope = backend.openCancelScope();
        await backend.createTaskGroup().run(async (group) => {
          await lock.acquire();
          await group.start(() =>
            scope.run(() =>
              lock.runExclusive(() => backend.coroYield().then(() => got.push('first'))),
            ),
          );
          await group.start(() => lock.runExclusive(() => void got.push('second')));
          await turns(2);
          lock.release();
          scope.cancel();
        });
        assert.ok(got.includes('second'));
        assert.equal(lock.locked(), false);
      });
    });
  }

  defineSuite(runner, subject, 'a fair lock, in order', (test) => {
    test('is acquired strictly in the order of the calls', async ({ backend }) => {
      const lock = backend.createFairLock();
      const order: number[] = [];
      await backend.createTaskGroup().run(async (group) => {
        await lock.acquire();
        for (let i = 0; i < 5; i++) {
          await group.start(() =>
            lock.runExclusive(async () => {
              order.push(i);
              await backend.coroYield();
            }),
          );
        }
        lock.release();
        // This call comes after all of them.
        await lock.runExclusive(() => void order.push(5));
      });
      assert.deepEqual(order, [0, 1, 2, 3, 4, 5]);
    });
  });

  defineSuite(runner, subject, 'an event', (test) => {
    test('wakes all waiters, and later waits resolve at once', async ({ backend }) => {
      const event = backend.createEvent();
      assert.equal(event.isSet(), false);
      const woken: number[] = [];
      await backend.gather(
        ...Array.from({ length: 3 }, (_, i) => () => event.wait().then(() => void woken.push(i))),
        async () => {
          await turns(2);
          assert.deepEqual(woken, []);
          event.set();
          event.set();
        },
      );
      assert.deepEqual(woken, [0, 1, 2]);
      assert.equal(event.isSet(), true);
      await event.wait();
    });

    test('a cancelled waiter does not disturb the others', async (scenario) => {
      const { backend } = scenario;
      const event = backend.createEvent();
      const scope = backend.openCancelScope();
      const cancelled = scope.run(() => event.wait());
      const other = event.wait();
      assert.equal(await hasSettled(cancelled), false);
      scope.cancel();
      await endsQuietly(cancelled);
      event.set();
      await other;
      await scenario.inCancelledScope(() => rejectsWith(CANCELLED, () => event.wait()));
    });
  });

  defineSuite(runner, subject, 'a condition', (test) => {
    test('cannot be notified or waited for without holding its lock', async ({ backend }) => {
      const condition = backend.createConditionVar();
      throwsWith(BAD_STATE, () => condition.notify());
      throwsWith(BAD_STATE, () => condition.notifyAll());
      await rejectsWith(BAD_STATE, () => condition.wait());
    });

    test('shares either kind of lock of the library, and refuses other locks', async ({
      backend,
    }) => {
      for (const lock of [backend.createLock(), backend.createFairLock()]) {
        const condition = backend.createConditionVar(lock);
        await condition.acquire();
        assert.equal(lock.locked(), true);
        lock.release();
        assert.equal(condition.locked(), false);
      }
      const foreign = {
        acquire: () => undefined,
        release: () => undefined,
        locked: () => false,
        runExclusive: () => undefined,
      };
      throwsWith(BAD_TYPE, () => backend.createConditionVar(foreign as never));
    });

    test('notify wakes the given number of waiters, notifyAll the rest; each holds the lock when its wait resolves', async ({
      backend,
    }) => {
      const condition = backend.createConditionVar();
      const woken: number[] = [];
      await backend.createTaskGroup().run(async (group) => {
        for (let i = 0; i < 5; i++) {
          await group.start(() =>
            condition.runExclusive(async () => {
              await condition.wait();
              assert.equal(condition.locked(), true);
              woken.push(i);
            }),
          );
        }
        await turns(2);
        const notifying = async (notify: () => void, expected: number): Promise<void> => {
          await condition.runExclusive(notify);
          await turns(3);
          assert.equal(woken.length, expected);
        };
        await notifying(() => condition.notify(), 1);
        await notifying(() => condition.notify(2), 3);
        await notifying(() => condition.notifyAll(), 5);
      });
      assert.deepEqual(woken, [0, 1, 2, 3, 4]);
      assert.equal(condition.locked(), false);
    });

    test('a cancelled waiter holds the lock again when its wait rejects', async ({ backend }) => {
      const condition = backend.createConditionVar();
      const scope = backend.openCancelScope();
      let told = false;
      await backend.createTaskGroup().run(async (group) => {
        await group.start(() =>
          scope.run(async () => {
            await condition.acquire();
            try {
              await condition.wait();
            } catch (error) {
              told = condition.locked();
              throw error;
            } finally {
              condition.release();
            }
          }),
        );
        await turns(2);
        await condition.runExclusive(async () => {
          scope.cancel();
          await backend.coroYield();
          assert.equal(told, false);
        });
      });
      assert.ok(told);
      assert.ok(scope.cancelledCaught());
      assert.equal(condition.locked(), false);
    });
  });
}

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { CancelledError } from '../errors';
import {
  BAD_RANGE,
  BAD_STATE,
  BAD_TYPE,
  CANCELLED,
  endsQuietly,
  hasSettled,
  rejectsWith,
  throwsWith,
} from './expectations';
import { defineSuite } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';

/** Defines the tests of bootstrap, sleeping, yielding, waitFor and ignoreCancellation. */
export function testRunning(runner: TestRunner, subject: ConformanceSubject): void {
  runner.describe(`bootstrap (${subject.name})`, () => {
    runner.it('settles with the result of main, or with the same error object', async () => {
      const backend = subject.newBackend();
      assert.equal(await backend.bootstrap(() => 5), 5);
      assert.equal(await backend.bootstrap(async () => 6), 6);
      const failure = new Error('of main');
      await assert.rejects(
        backend.bootstrap(() => Promise.reject(failure)),
        (error) => error === failure,
      );
    });

    runner.it(
      'is cancelled by its signal, and the reason becomes the cause; main does not begin if the signal has aborted before',
      async () => {
        const backend = subject.newBackend();
        const controller = new AbortController();
        const running = backend.bootstrap(() => backend.sleepForever(), {
          signal: controller.signal,
        });
        const reason = new Error('enough');
        controller.abort(reason);
        assert.equal((await rejectsWith(CANCELLED, () => running)).cause, reason);
        let began = false;
        const late = backend.bootstrap(() => void (began = true), { signal: controller.signal });
        assert.equal((await rejectsWith(CANCELLED, () => late)).cause, reason);
        assert.equal(began, false);
      },
    );

    runner.it('gives its task a name, and outside there is no current task', async () => {
      const backend = subject.newBackend();
      throwsWith(BAD_STATE, () => backend.getCurrentTask());
      assert.equal(
        await backend.bootstrap(() => backend.getCurrentTask().name, { name: 'root of all' }),
        'root of all',
      );
      throwsWith(BAD_STATE, () => backend.getCurrentTask());
    });

    runner.it('each call makes another backend', () => {
      assert.notEqual(subject.newBackend(), subject.newBackend());
      assert.equal(subject.newBackend().getCancelledErrorClass(), CancelledError);
      return Promise.resolve();
    });

    runner.it('all operations work outside of any task and scope', async () => {
      const backend = subject.newBackend();
      await backend.sleep(0);
      await backend.coroYield();
      assert.equal(await backend.waitFor(Promise.resolve(5)), 5);
      assert.deepEqual(
        await backend.gather(
          () => 1,
          async () => 2,
        ),
        [1, 2],
      );
      await endsQuietly(backend.moveOnAfter(1).run(() => backend.sleepForever()));
      const lock = backend.createLock();
      await lock.acquire();
      lock.release();
    });
  });

  defineSuite(runner, subject, 'tasks and their ids', (test) => {
    test('bootstrap inside a task is an error', async ({ backend }) => {
      await rejectsWith(BAD_STATE, () => backend.bootstrap(() => 5));
    });

    test('each task has its own id, which does not change', async ({ backend }) => {
      const { id } = backend.getCurrentTask();
      const others = await backend.gather(
        () => backend.getCurrentTask().id,
        async () => {
          const before = backend.getCurrentTask().id;
          await backend.sleep(0);
          assert.equal(backend.getCurrentTask().id, before);
          return before;
        },
      );
      assert.equal(new Set([id, ...others]).size, 3);
      assert.equal(backend.getCurrentTask().id, id);
    });
  });

  defineSuite(runner, subject, 'sleeping and yielding', (test) => {
    test('the clock never goes back, and a sleep is never shorter than its delay', async ({
      backend,
    }) => {
      let before = backend.currentTime();
      for (let i = 0; i < 20; i++) {
        await backend.sleep(i % 3);
        const now = backend.currentTime();
        assert.ok(now - before >= i % 3, `${now - before}`);
        before = now;
      }
      const deadline = backend.currentTime() + 4;
      await backend.sleepUntil(deadline);
      assert.ok(backend.currentTime() >= deadline);
    });

    test('sleep(0), coroYield and sleepUntil a past time let other tasks run', async ({
      backend,
    }) => {
      for (const pass of [
        () => backend.sleep(0),
        () => backend.coroYield(),
        () => backend.cancelShieldedCoroYield(),
        () => backend.sleepUntil(backend.currentTime() - 100),
      ]) {
        const order: string[] = [];
        await backend.gather(
          async () => {
            order.push('a1');
            await pass();
            order.push('a2');
          },
          () => void order.push('b'),
        );
        assert.deepEqual(order, ['a1', 'b', 'a2']);
      }
    });

    test('yielding lets pending I/O and timers run', async ({ backend }) => {
      let ticks = 0;
      const timer = setInterval(() => ticks++, 0);
      const end = backend.currentTime() + 2000;
      while (ticks < 3 && backend.currentTime() < end) await backend.coroYield();
      clearInterval(timer);
      assert.ok(ticks >= 3);
    });

    test('refuses times that are not numbers, or negative', async ({ backend }) => {
      await rejectsWith(BAD_RANGE, () => backend.sleep(NaN));
      await rejectsWith(BAD_RANGE, () => backend.sleep(-1));
      await rejectsWith(BAD_RANGE, () => backend.sleepUntil(NaN));
      await rejectsWith(BAD_TYPE, () => backend.sleep('1' as unknown as number));
      throwsWith(BAD_RANGE, () => backend.moveOnAfter(NaN));
      throwsWith(BAD_RANGE, () => backend.moveOnAt(NaN));
      throwsWith(BAD_RANGE, () => backend.timeout(NaN));
      throwsWith(BAD_RANGE, () => backend.timeoutAt(NaN));
      throwsWith(BAD_RANGE, () => backend.openCancelScope({ deadline: NaN }));
    });

    test('every checkpoint but cancelShieldedCoroYield rejects in a cancelled scope', async (scenario) => {
      const { backend } = scenario;
      await scenario.inCancelledScope(async () => {
        await rejectsWith(CANCELLED, () => backend.sleep(0));
        await rejectsWith(CANCELLED, () => backend.sleep(1000));
        await rejectsWith(CANCELLED, () => backend.sleepForever());
        await rejectsWith(CANCELLED, () => backend.sleepUntil(0));
        await rejectsWith(CANCELLED, () => backend.coroYield());
        await rejectsWith(CANCELLED, () => backend.waitFor(Promise.resolve(1)));
        await backend.cancelShieldedCoroYield();
        await rejectsWith(CANCELLED, () => backend.coroYield());
      });
    });

    test('sleepForever and a sleep of Infinity end only by cancellation', async ({ backend }) => {
      for (const sleep of [
        () => backend.sleepForever(),
        () => backend.sleep(Infinity),
        () => backend.sleepUntil(Infinity),
      ]) {
        const scope = backend.openCancelScope();
        const running = scope.run(sleep);
        assert.equal(await hasSettled(running), false);
        scope.cancel();
        await endsQuietly(running);
        assert.ok(scope.cancelledCaught());
      }
    });
  });

  defineSuite(runner, subject, 'waitFor', (test) => {
    test('settles as the given promise does', async ({ backend }) => {
      assert.equal(await backend.waitFor(Promise.resolve(5)), 5);
      const failure = new Error('of the driver');
      await assert.rejects(backend.waitFor(Promise.reject(failure)), (error) => error === failure);
      await rejectsWith(BAD_TYPE, () => backend.waitFor(5 as never));
    });

    test('abandons the promise when cancelled, and its late rejection is not reported as unhandled', async ({
      backend,
    }) => {
      let reject = (_error: Error): void => undefined;
      const foreign = new Promise<never>((_resolve, fail) => (reject = fail));
      const scope = backend.openCancelScope();
      const running = scope.run(() => backend.waitFor(foreign));
      assert.equal(await hasSettled(running), false);
      scope.cancel();
      await endsQuietly(running);
      reject(new Error('too late'));
      await backend.coroYield();
    });
  });

  defineSuite(runner, subject, 'ignoreCancellation', (test) => {
    test('runs its function to the end, in the same task, however often the scope is cancelled', async ({
      backend,
    }) => {
      const { id } = backend.getCurrentTask();
      const scope = backend.openCancelScope();
      let after = false;
      await scope.run(async () => {
        const value = await backend.ignoreCancellation(async () => {
          for (let i = 0; i < 9; i++) {
            scope.cancel();
            await backend.sleep(0);
            assert.equal(backend.getCurrentTask().id, id);
          }
          return 'done';
        });
        assert.equal(value, 'done');
        await backend.ignoreCancellation(() => backend.coroYield());
        await rejectsWith(CANCELLED, () => backend.coroYield());
        await backend.coroYield();
        after = true;
      });
      assert.equal(after, false);
      assert.ok(scope.cancelledCaught());
    });

    test("rejects with its function's error, early or late", async (scenario) => {
      const { backend } = scenario;
      const failure = new Error('of the shielded');
      await scenario.inCancelledScope(async () => {
        await assert.rejects(
          backend.ignoreCancellation(() => {
            throw failure;
          }),
          (error) => error === failure,
        );
        await assert.rejects(
          backend.ignoreCancellation(async () => {
            await backend.sleep(0);
            throw failure;
          }),
          (error) => error === failure,
        );
      });
    });

    test('a scope inside it can be cancelled as usual', async (scenario) => {
      const { backend } = scenario;
      await scenario.inCancelledScope(async () => {
        await backend.ignoreCancellation(async () => {
          const inner = backend.moveOnAfter(2);
          await endsQuietly(inner.run(() => backend.sleepForever()));
          assert.ok(inner.cancelledCaught());
          await backend.sleep(0);
        });
      });
    });

    test('keeps the context of other AsyncLocalStorages', async ({ backend }) => {
      const storage = new AsyncLocalStorage<number>();
      await storage.run(5, () =>
        backend.ignoreCancellation(async () => {
          assert.equal(storage.getStore(), 5);
          await backend.sleep(0);
          assert.equal(storage.getStore(), 5);
        }),
      );
    });
  });
}

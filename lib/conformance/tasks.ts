import assert from 'node:assert/strict';
import { CANCELLED, endsQuietly, hasSettled, rejectsWith } from './expectations';
import { defineSuite } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';

/** Defines the tests of task handles. */
export function testTasks(runner: TestRunner, subject: ConformanceSubject): void {
  defineSuite(runner, subject, 'a task', (test) => {
    test('that returns gives its value to every join, any number of times', async ({ backend }) => {
      await backend.createTaskGroup().run(async (group) => {
        const task = await group.start(() => backend.sleep(1).then(() => 5));
        assert.equal(task.done(), false);
        assert.deepEqual(
          await Promise.all([task.join(), task.join(), task.joinOrCancel()]),
          [5, 5, 5],
        );
        assert.ok(task.done());
        assert.equal(await task.join(), 5);
        assert.equal(await task.joinOrCancel(), 5);
        await task.wait();
        assert.equal(task.cancel(), false);
        assert.equal(task.cancelled(), false);
      });
    });

    test('that fails rejects join with its error, and wait resolves', async ({ backend }) => {
      const failure = new Error('of the task');
      const joined: unknown[] = [];
      const running = backend.createTaskGroup().run(async (group) => {
        const task = await group.start(() => Promise.reject(failure));
        // The group is being cancelled for it.
        await backend.ignoreCancellation(async () => {
          await task.wait();
          for (let i = 0; i < 2; i++)
            await task.join().catch((error: unknown) => joined.push(error));
          await task.joinOrCancel().catch((error: unknown) => joined.push(error));
        });
        assert.equal(task.cancelled(), false);
        assert.equal(task.cancel(), false);
      });
      await assert.rejects(running, AggregateError);
      assert.deepEqual(joined, [failure, failure, failure]);
    });

    test('that is cancelled rejects join with CancelledError, and wait resolves', async ({
      backend,
    }) => {
      await backend.createTaskGroup().run(async (group) => {
        const task = await group.start(() => backend.sleepForever());
        assert.equal(task.cancelled(), false);
        assert.equal(task.cancel(), true);
        await task.wait();
        assert.ok(task.done());
        assert.ok(task.cancelled());
        assert.equal(task.cancel(), false);
        for (let i = 0; i < 2; i++) await rejectsWith(CANCELLED, () => task.join());
        await rejectsWith(CANCELLED, () => task.joinOrCancel());
      });
    });

    test('that swallows its cancellation does not count as cancelled', async ({ backend }) => {
      await backend.createTaskGroup().run(async (group) => {
        const task = await group.start(() => backend.sleepForever().catch(() => 42));
        task.cancel();
        assert.equal(await task.join(), 42);
        assert.equal(task.cancelled(), false);
      });
    });

    test('goes on if a task that waits for it or joins it is cancelled', async ({ backend }) => {
      await backend.createTaskGroup().run(async (group) => {
        const goOn = backend.createEvent();
        const task = await group.start(() => goOn.wait().then(() => 5));
        for (const wait of [() => task.wait(), () => task.join()] as (() => Promise<unknown>)[]) {
          const scope = backend.openCancelScope();
          const waiting = scope.run(wait);
          assert.equal(await hasSettled(waiting), false);
          scope.cancel();
          await endsQuietly(waiting);
          assert.ok(scope.cancelledCaught());
        }
        assert.equal(task.done(), false);
        goOn.set();
        assert.equal(await task.join(), 5);
      });
    });

    test('is cancelled with the caller of joinOrCancel, which waits for its end', async ({
      backend,
    }) => {
      await backend.createTaskGroup().run(async (group) => {
        let ended = false;
        const task = await group.start(async () => {
          try {
            await backend.sleepForever();
          } finally {
            await backend.ignoreCancellation(() => backend.sleep(2));
            ended = true;
          }
        });
        const scope = backend.openCancelScope();
        const waiting = scope.run(() => task.joinOrCancel());
        assert.equal(await hasSettled(waiting), false);
        scope.cancel();
        await endsQuietly(waiting);
        assert.ok(ended);
        assert.ok(scope.cancelledCaught());
        assert.ok(task.cancelled());
      });
    });

    test('that swallows this cancellation gives joinOrCancel its value, and the scope of the caller caught nothing', async ({
      backend,
    }) => {
      await backend.createTaskGroup().run(async (group) => {
        const task = await group.start(() => backend.sleepForever().catch(() => 42));
        const scope = backend.openCancelScope();
        const waiting = scope.run(() => task.joinOrCancel());
        assert.equal(await hasSettled(waiting), false);
        scope.cancel();
        assert.equal(await waiting, 42);
        assert.equal(scope.cancelledCaught(), false);
      });
    });

    test('wait and join are checkpoints, even if the task is done', async (scenario) => {
      const { backend } = scenario;
      await backend.createTaskGroup().run(async (group) => {
        const task = await group.start(() => 5);
        await task.wait();
        await scenario.inCancelledScope(async () => {
          await rejectsWith(CANCELLED, () => task.wait());
          await rejectsWith(CANCELLED, () => task.join());
        });
        assert.equal(await task.join(), 5);
      });
    });
  });
}

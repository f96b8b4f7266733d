import assert from 'node:assert/strict';
import { TimeoutError } from '../errors';
import { CANCELLED, endsQuietly, hasFlags, rejectsWith } from './expectations';
import { defineSuite } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';

/** Defines the tests of deadlines and timeouts. */
export function testDeadlines(runner: TestRunner, subject: ConformanceSubject): void {
  defineSuite(runner, subject, 'deadlines and timeouts', (test) => {
    test('a move-on scope resolves to undefined at its deadline, a timeout rejects with TimeoutError', async ({
      backend,
    }) => {
      for (const scope of [backend.moveOnAfter(2), backend.moveOnAt(backend.currentTime() + 2)]) {
        await endsQuietly(scope.run(() => backend.sleepForever()));
        hasFlags(scope, true, true);
      }
      for (const scope of [backend.timeout(2), backend.timeoutAt(backend.currentTime() + 2)]) {
        const error = await rejectsWith('ETIMEDOUT', () => scope.run(() => backend.sleepForever()));
        assert.ok(error instanceof TimeoutError);
        hasFlags(scope, true, true);
      }
    });

    test('a body that ends before the deadline is not disturbed', async ({ backend }) => {
      assert.equal(await backend.timeout(60_000).run(() => backend.sleep(0).then(() => 5)), 5);
      assert.equal(await backend.moveOnAfter(Infinity).run(() => 6), 6);
      assert.equal(backend.moveOnAfter(Infinity).when(), Infinity);
    });

    test('a relative deadline counts from the call that made the scope, not from run', async ({
      backend,
    }) => {
      const scope = backend.moveOnAfter(2);
      await backend.sleep(6);
      await endsQuietly(scope.run(() => backend.coroYield().then(() => 5)));
      hasFlags(scope, true, true);
    });

    test('a deadline can be moved later, to Infinity and into the past, but a cancelled scope stays cancelled', async ({
      backend,
    }) => {
      // The early deadline is set within the scope: before, a pause of the process could miss it.
      const later = backend.timeout(60_000);
      await later.run(async () => {
        later.reschedule(backend.currentTime() + 3);
        later.reschedule(backend.currentTime() + 60_000);
        await backend.sleep(6);
      });
      hasFlags(later, false, false);
      const never = backend.timeout(60_000);
      await never.run(async () => {
        never.deadline = backend.currentTime() + 3;
        never.deadline = Infinity;
        await backend.sleep(6);
      });
      const past = backend.openCancelScope();
      assert.equal(
        await past.run(async () => {
          past.reschedule(backend.currentTime() - 1);
          await backend.coroYield();
        }),
        undefined,
      );
      past.reschedule(Infinity);
      hasFlags(past, true, true);
    });

    test('a timeout that is cancelled by its own cancel() rejects with TimeoutError too', async ({
      backend,
    }) => {
      const scope = backend.timeout(60_000);
      await rejectsWith('ETIMEDOUT', () =>
        scope.run(async () => {
          scope.cancel();
          await backend.coroYield();
        }),
      );
    });

    test('a cancellation of an outer scope passes through a timeout as CancelledError', async ({
      backend,
    }) => {
      const outer = backend.openCancelScope();
      const inner = backend.timeout(60_000);
      assert.equal(
        await outer.run(() =>
          inner.run(async () => {
            outer.cancel();
            await backend.coroYield();
          }),
        ),
        undefined,
      );
      hasFlags(inner, false, false);
      hasFlags(outer, true, true);
    });

    test('a timeout does not throw if only shielded work was late, or the body swallowed the cancellation', async ({
      backend,
    }) => {
      const shielded = backend.timeout(0);
      await shielded.run(() => backend.ignoreCancellation(() => backend.sleep(1)));
      hasFlags(shielded, true, false);
      const swallowed = backend.timeout(0);
      assert.equal(
        await swallowed.run(async () => {
          await rejectsWith(CANCELLED, () => backend.sleep(10));
          return 5;
        }),
        5,
      );
      await backend.coroYield();
    });
  });
}

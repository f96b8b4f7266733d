import type { CancelScope } from '../contract/scopes';
import assert from 'node:assert/strict';
import { CancelledError, TimeoutError } from '../errors';
import { BAD_STATE, CANCELLED, endsQuietly, rejectsWith } from './expectations';
import { defineSuite } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';

type Flags = { cancelCalled(): boolean; cancelledCaught(): boolean };

function is(scope: Flags, called: boolean, caught: boolean): void {
  assert.deepEqual(
    { called: scope.cancelCalled(), caught: scope.cancelledCaught() },
    { called, caught },
  );
}

/** Defines the tests of cancel scopes and timeouts. */
export function testScopes(runner: TestRunner, subject: ConformanceSubject): void {
  defineSuite(runner, subject, 'a cancel scope', (test) => {
    test('that is not cancelled passes on the result or error of its body', async ({ backend }) => {
      const scope = backend.openCancelScope();
      assert.equal(await scope.run(async () => backend.sleep(0).then(() => 5)), 5);
      is(scope, false, false);
      const failure = new Error('of the body');
      const other = backend.openCancelScope();
      await assert.rejects(
        other.run(() => Promise.reject(failure)),
        (error) => error === failure,
      );
      is(other, false, false);
    });

    test('that is cancelled ends its body at the next checkpoint, and run resolves to undefined', async ({
      backend,
    }) => {
      const scope = backend.openCancelScope();
      let after = false;
      assert.equal(
        await scope.run(async () => {
          scope.cancel();
          scope.cancel();
          await backend.coroYield();
          after = true;
        }),
        undefined,
      );
      assert.equal(after, false);
      is(scope, true, true);
      await backend.coroYield();
    });

    test('that is cancelled before it is entered ends its body at the first checkpoint', async ({
      backend,
    }) => {
      const scope = backend.openCancelScope();
      scope.cancel();
      await backend.coroYield();
      await endsQuietly(scope.run(() => backend.coroYield().then(() => 5)));
      is(scope, true, true);
    });

    test('lets a body complete that has no further checkpoint', async ({ backend }) => {
      const cancelled = backend.openCancelScope();
      assert.equal(
        await cancelled.run(async () => {
          await backend.coroYield();
          cancelled.cancel();
          return 5;
        }),
        5,
      );
      is(cancelled, true, false);
      const expired = backend.moveOnAt(backend.currentTime() - 10);
      assert.equal(await expired.run(() => 6), 6);
      is(expired, true, false);
      await backend.coroYield();
    });

    test('that is cancelled rejects every further checkpoint', async ({ backend }) => {
      const scope = backend.openCancelScope();
      let count = 0;
      const result = await scope.run(async () => {
        scope.cancel();
        for (let i = 0; i < 5; i++) {
          try {
            await backend.sleep(0);
          } catch (error) {
            assert.ok(error instanceof CancelledError);
            count++;
          }
        }
        return 'swallowed';
      });
      assert.equal(count, 5);
      assert.equal(result, 'swallowed');
      is(scope, true, false);
      await backend.coroYield();
    });

    test('can be cancelled from another task', async ({ backend }) => {
      const scope = backend.openCancelScope();
      await backend.gather(
        () => endsQuietly(scope.run(() => backend.sleepForever())),
        async () => {
          await backend.coroYield();
          scope.cancel();
        },
      );
      is(scope, true, true);
    });

    test('can be entered only once', async ({ backend }) => {
      const scope = backend.openCancelScope();
      await scope.run(async () => {
        await rejectsWith(BAD_STATE, () => scope.run(() => undefined));
      });
      await rejectsWith(BAD_STATE, () => scope.run(() => undefined));
    });

    test('passes other errors on, and removes its own from an AggregateError', async ({
      backend,
    }) => {
      const failure = new Error('while cleaning up');
      const cleaning = backend.openCancelScope();
      const cleaned = cleaning.run(async () => {
        cleaning.cancel();
        await backend.coroYield().catch(() => {
          throw failure;
        });
      });
      await assert.rejects(cleaned, (error) => error === failure);
      is(cleaning, true, false);

      const own = backend.openCancelScope();
      await endsQuietly(
        own.run(async () => {
          own.cancel();
          const error: unknown = await backend.coroYield().catch((reason: unknown) => reason);
          throw new AggregateError([error, new AggregateError([error])]);
        }),
      );
      is(own, true, true);

      const mixed = backend.openCancelScope();
      const thrown = mixed.run(async () => {
        mixed.cancel();
        const error: unknown = await backend.coroYield().catch((reason: unknown) => reason);
        throw new AggregateError([failure, error]);
      });
      await assert.rejects(thrown, (error: AggregateError) => {
        assert.deepEqual(error.errors, [failure]);
        return true;
      });
      is(mixed, true, true);
    });

    test('absorbs an error whose cause is its own CancelledError', async ({ backend }) => {
      const scope = backend.openCancelScope();
      assert.equal(
        await scope.run(async () => {
          scope.cancel();
          await backend.coroYield().catch((cause: unknown) => {
            throw Object.assign(new Error('aborted', { cause }), { name: 'AbortError' });
          });
        }),
        undefined,
      );
      is(scope, true, true);
    });

    test('passes a CancelledError that belongs to no scope on', async ({ backend }) => {
      const scope = backend.openCancelScope();
      const stray = new CancelledError();
      await assert.rejects(
        scope.run(() => Promise.reject(stray)),
        (error) => error === stray,
      );
      is(scope, false, false);
    });

    test('aborts its signal, with the CancelledError as the reason', async ({ backend }) => {
      const scope = backend.openCancelScope();
      await scope.run(async () => {
        assert.equal(scope.signal.aborted, false);
        scope.cancel();
        assert.ok(scope.signal.aborted);
        const error: unknown = await backend.coroYield().catch((reason: unknown) => reason);
        assert.equal(scope.signal.reason, error);
      });
      const outer = backend.openCancelScope();
      const inner = backend.openCancelScope();
      await outer.run(() =>
        inner.run(async () => {
          outer.cancel();
          assert.ok(inner.signal.aborted, 'cancelled from outside');
          await backend.coroYield();
        }),
      );
    });

    test('is cancelled by a signal', async ({ backend }) => {
      const controller = new AbortController();
      const scope = backend.openCancelScope({ signal: controller.signal });
      const running = scope.run(() => backend.sleepForever());
      controller.abort();
      await endsQuietly(running);
      is(scope, true, true);
      const late = backend.openCancelScope({ signal: controller.signal });
      await endsQuietly(late.run(() => backend.coroYield().then(() => 5)));
    });
  });

  defineSuite(runner, subject, 'nested cancel scopes', (test) => {
    test('if only the inner scope is cancelled, it catches, and the outer body goes on', async ({
      backend,
    }) => {
      const outer = backend.openCancelScope();
      const inner = backend.openCancelScope();
      const result = await outer.run(async () => {
        await inner.run(async () => {
          inner.cancel();
          await backend.coroYield();
        });
        await backend.coroYield();
        return 'after';
      });
      assert.equal(result, 'after');
      is(inner, true, true);
      is(outer, false, false);
    });

    test('if both are cancelled, in either order, only the outer scope catches', async ({
      backend,
    }) => {
      const orders: ((outer: CancelScope, inner: CancelScope) => void)[] = [
        (outer) => outer.cancel(),
        (outer, inner) => {
          outer.cancel();
          inner.cancel();
        },
        (outer, inner) => {
          inner.cancel();
          outer.cancel();
        },
      ];
      for (const cancel of orders) {
        const outer = backend.openCancelScope();
        const inner = backend.openCancelScope();
        let between = false;
        await outer.run(async () => {
          await inner.run(async () => {
            cancel(outer, inner);
            await backend.coroYield();
          });
          between = true;
        });
        assert.equal(between, false);
        assert.equal(inner.cancelledCaught(), false);
        is(outer, true, true);
      }
    });

    test('with the same deadline on both, the outer scope catches, and the inner timeout does not throw', async ({
      backend,
    }) => {
      const outer = backend.openCancelScope();
      const inner = backend.timeout(Infinity);
      await endsQuietly(
        outer.run(() =>
          inner.run(async () => {
            // Both are entered by now, however slow the machine.
            const deadline = backend.currentTime() + 2;
            outer.reschedule(deadline);
            inner.reschedule(deadline);
            await backend.sleepForever();
          }),
        ),
      );
      is(outer, true, true);
      assert.equal(inner.cancelledCaught(), false);
    });

    test('a deadline that passed during synchronous code counts for the outer scope', async ({
      backend,
    }) => {
      const outer = backend.moveOnAfter(2);
      const inner = backend.timeoutAt(outer.when());
      await endsQuietly(
        outer.run(() => {
          for (const end = outer.when() + 2; backend.currentTime() < end;);
          return inner.run(() => backend.sleepForever());
        }),
      );
      is(outer, true, true);
      assert.equal(inner.cancelledCaught(), false);
    });

    test('an inner scope that ended while both were cancelled catches nothing', async ({
      backend,
    }) => {
      const outer = backend.openCancelScope();
      const inner = backend.openCancelScope();
      let after = false;
      await outer.run(async () => {
        await backend.ignoreCancellation(async () => {
          outer.cancel();
          await backend.coroYield();
        });
        await inner.run(() => inner.cancel());
        await backend.coroYield();
        after = true;
      });
      assert.equal(after, false);
      is(outer, true, true);
      is(inner, true, false);
    });

    test('after an expired scope with only shielded work, the outer body goes on until its own cancellation', async ({
      backend,
    }) => {
      const outer = backend.openCancelScope();
      const inner = backend.moveOnAfter(1);
      const steps: string[] = [];
      await outer.run(async () => {
        await inner.run(() => backend.ignoreCancellation(() => backend.sleep(5)));
        steps.push('after the inner one');
        outer.cancel();
        await backend.coroYield();
        steps.push('never');
      });
      assert.deepEqual(steps, ['after the inner one']);
      is(inner, true, false);
      is(outer, true, true);
    });

    test('a swallowed cancellation is thrown again at the first checkpoint after a shield', async ({
      backend,
    }) => {
      const scope = backend.openCancelScope();
      let after = false;
      await scope.run(async () => {
        scope.cancel();
        await rejectsWith(CANCELLED, () => backend.coroYield());
        await backend.ignoreCancellation(() => backend.coroYield());
        await backend.coroYield();
        after = true;
      });
      assert.equal(after, false);
      is(scope, true, true);
    });
  });

  defineSuite(runner, subject, 'deadlines and timeouts', (test) => {
    test('a move-on scope resolves to undefined at its deadline, a timeout rejects with TimeoutError', async ({
      backend,
    }) => {
      for (const scope of [backend.moveOnAfter(2), backend.moveOnAt(backend.currentTime() + 2)]) {
        await endsQuietly(scope.run(() => backend.sleepForever()));
        is(scope, true, true);
      }
      for (const scope of [backend.timeout(2), backend.timeoutAt(backend.currentTime() + 2)]) {
        const error = await rejectsWith('ETIMEDOUT', () => scope.run(() => backend.sleepForever()));
        assert.ok(error instanceof TimeoutError);
        is(scope, true, true);
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
      is(scope, true, true);
    });

    test('a deadline can be moved later, to Infinity and into the past, but a cancelled scope stays cancelled', async ({
      backend,
    }) => {
      const later = backend.timeout(3);
      await later.run(async () => {
        later.reschedule(backend.currentTime() + 60_000);
        await backend.sleep(6);
      });
      is(later, false, false);
      const never = backend.timeout(3);
      await never.run(async () => {
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
      is(past, true, true);
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
      is(inner, false, false);
      is(outer, true, true);
    });

    test('a timeout does not throw if only shielded work was late, or the body swallowed the cancellation', async ({
      backend,
    }) => {
      const shielded = backend.timeout(0);
      await shielded.run(() => backend.ignoreCancellation(() => backend.sleep(1)));
      is(shielded, true, false);
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

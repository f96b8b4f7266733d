import type { CancelScope } from '../contract/scopes';
import assert from 'node:assert/strict';
import { CancelledError } from '../errors';
import { BAD_STATE, CANCELLED, endsQuietly, hasFlags, rejectsWith } from './expectations';
import { defineSuite } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';

/** Defines the tests of cancel scopes, alone and nested. */
export function testScopes(runner: TestRunner, subject: ConformanceSubject): void {
  defineSuite(runner, subject, 'a cancel scope', (test) => {
    test('that is not cancelled passes on the result or error of its body', async ({ backend }) => {
      const scope = backend.openCancelScope();
      assert.equal(await scope.run(async () => backend.sleep(0).then(() => 5)), 5);
      hasFlags(scope, false, false);
      const failure = new Error('of the body');
      const other = backend.openCancelScope();
      await assert.rejects(
        other.run(() => Promise.reject(failure)),
        (error) => error === failure,
      );
      hasFlags(other, false, false);
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
      hasFlags(scope, true, true);
      await backend.coroYield();
    });

    test('that is cancelled before it is entered ends its body at the first checkpoint', async ({
      backend,
    }) => {
      const scope = backend.openCancelScope();
      scope.cancel();
      await backend.coroYield();
      await endsQuietly(scope.run(() => backend.coroYield().then(() => 5)));
      hasFlags(scope, true, true);
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
      hasFlags(cancelled, true, false);
      const expired = backend.moveOnAt(backend.currentTime() - 10);
      assert.equal(await expired.run(() => 6), 6);
      hasFlags(expired, true, false);
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
      hasFlags(scope, true, false);
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
      hasFlags(scope, true, true);
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
      hasFlags(cleaning, true, false);

      const own = backend.openCancelScope();
      await endsQuietly(
        own.run(async () => {
          own.cancel();
          const error: unknown = await backend.coroYield().catch((reason: unknown) => reason);
          throw new AggregateError([error, new AggregateError([error])]);
        }),
      );
      hasFlags(own, true, true);

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
      hasFlags(mixed, true, true);
    });

    test('passes on an error that the body made of its CancelledError', async ({ backend }) => {
      const scope = backend.openCancelScope();
      const running = scope.run(async () => {
        scope.cancel();
        await backend.coroYield().catch((cause: unknown) => {
          throw new Error('step 3 failed', { cause });
        });
      });
      await assert.rejects(running, { message: 'step 3 failed' });
      hasFlags(scope, true, false);
    });

    test('absorbs an AbortError that reports its own CancelledError', async ({ backend }) => {
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
      hasFlags(scope, true, true);
    });

    test('passes a CancelledError that belongs to no scope on', async ({ backend }) => {
      const scope = backend.openCancelScope();
      const stray = new CancelledError();
      await assert.rejects(
        scope.run(() => Promise.reject(stray)),
        (error) => error === stray,
      );
      hasFlags(scope, false, false);
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
      hasFlags(scope, true, true);
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
      hasFlags(inner, true, true);
      hasFlags(outer, false, false);
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
        hasFlags(outer, true, true);
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
      hasFlags(outer, true, true);
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
      hasFlags(outer, true, true);
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
      hasFlags(outer, true, true);
      hasFlags(inner, true, false);
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
      hasFlags(inner, true, false);
      hasFlags(outer, true, true);
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
      hasFlags(scope, true, true);
    });
  });
}

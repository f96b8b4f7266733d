import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { AsyncBackend } from '../contract/backend';
import { CancelledError } from '../errors';
import { CANCELLED, until } from './expectations';
import { defineSuite } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';
import type { Outcome } from './thread-functions';
import { callFromThread, inThread } from './threads-portal-calls';

/** Functions for a portal, of which `forever` sleeps until it is cancelled. */
function sleeper(backend: AsyncBackend) {
  const begun = backend.createEvent();
  const ended = backend.createEvent();
  const caught: unknown[] = [];
  const functions = {
    add: (a: number, b: number) => a + b,
    async forever() {
      begun.set();
      try {
        await backend.sleepForever();
      } catch (error) {
        caught.push(error);
        throw error;
      } finally {
        ended.set();
      }
    },
  };
  return { begun, ended, caught, functions };
}

/** Defines the tests of cancelled calls of the portal. */
export function testPortalCancelling(runner: TestRunner, subject: ConformanceSubject): void {
  defineSuite(runner, subject, 'cancelling calls of a threads portal', (test) => {
    test('by their caller, between others, is felt by the function', async ({ backend }) => {
      const { functions, ended, caught } = sleeper(backend);
      const portal = backend.createThreadsPortal(functions);
      await portal.run(async () => {
        const [cancelled, ...others] = await inThread<Outcome[]>(
          backend,
          portal,
          'cancelAmongOthers',
          ['forever'],
        );
        assert.deepEqual([cancelled?.[0], cancelled?.[3]], ['thrown', CANCELLED]);
        assert.deepEqual(others, [
          ['returned', 2],
          ['returned', 4],
        ]);
        await ended.wait();
      });
      assert.equal(caught.length, 1);
      assert.ok(caught[0] instanceof CancelledError);
    });

    test('right after the call leaves no function running', async ({ backend }) => {
      const { functions, caught } = sleeper(backend);
      const portal = backend.createThreadsPortal(functions);
      await portal.run(async () => {
        const outcome = await inThread<Outcome>(backend, portal, 'cancelAtOnce', ['forever']);
        assert.deepEqual([outcome[0], outcome[3]], ['thrown', CANCELLED]);
      });
      // The function has not begun, or has ended at its first checkpoint: else the portal would
      // still wait for it.
      for (const error of caught) assert.ok(error instanceof CancelledError);
    });

    test('the result of a function that ignores the cancellation is dropped', async ({
      backend,
    }) => {
      const ended = backend.createEvent();
      const portal = backend.createThreadsPortal({
        add: (a: number, b: number) => a + b,
        async stubborn() {
          await backend.sleepForever().catch(() => undefined);
          ended.set();
          return 'unasked for';
        },
      });
      await portal.run(async () => {
        const [cancelled] = await inThread<Outcome[]>(backend, portal, 'cancelAmongOthers', [
          'stubborn',
        ]);
        assert.deepEqual([cancelled?.[0], cancelled?.[3]], ['thrown', CANCELLED]);
        await ended.wait();
      });
    });

    test('warns of a function that fails after its call was cancelled', async (scenario) => {
      const { backend } = scenario;
      const warnings: (Error & { code?: string })[] = [];
      const note = (warning: Error): void => void warnings.push(warning);
      process.on('warning', note);
      scenario.atEnd(() => process.off('warning', note));
      const portal = backend.createThreadsPortal({
        add: (a: number, b: number) => a + b,
        async stubborn() {
          await backend.sleepForever().catch(() => {
            throw new Error('unheard');
          });
        },
      });
      await portal.run(() => inThread(backend, portal, 'cancelAmongOthers', ['stubborn']));
      await until(() => warnings.some(({ code }) => code === 'SOCKSCOPE_PORTAL'), 'a warning');
      assert.match(
        warnings.find(({ code }) => code === 'SOCKSCOPE_PORTAL')?.message ?? '',
        /stubborn.*unheard/,
      );
    });

    test('by the scope around the portal is felt by function and caller', async ({ backend }) => {
      const { functions, begun, caught } = sleeper(backend);
      const portal = backend.createThreadsPortal(functions);
      const scope = backend.openCancelScope();
      let calling: Promise<Outcome[]> | undefined;
      await scope.run(() =>
        portal.run(async () => {
          calling = callFromThread(backend, portal, ['runCoroutine', 'forever']);
          await begun.wait();
          scope.cancel();
          await backend.sleepForever();
        }),
      );
      assert.ok(scope.cancelledCaught());
      assert.ok(caught[0] instanceof CancelledError);
      const [outcome] = (await calling) ?? [];
      assert.deepEqual([outcome?.[0], outcome?.[3]], ['thrown', CANCELLED]);
    });

    test('reaches the caller as such from a function that ends with the AbortError of its signal', async ({
      backend,
    }) => {
      const begun = backend.createEvent();
      const portal = backend.createThreadsPortal({
        forever: () =>
          backend.openCancelScope().run(({ signal }) => {
            begun.set();
            return delay(600_000, undefined, { signal, ref: false });
          }),
      });
      const scope = backend.openCancelScope();
      let calling: Promise<Outcome[]> | undefined;
      await scope.run(() =>
        portal.run(async () => {
          calling = callFromThread(backend, portal, ['runCoroutine', 'forever']);
          await begun.wait();
          scope.cancel();
        }),
      );
      const [outcome] = (await calling) ?? [];
      assert.deepEqual([outcome?.[0], outcome?.[1]], ['thrown', 'CancelledError']);
    });

    test("by a failure of the portal's body lets the portal fail with that error", async ({
      backend,
    }) => {
      const { functions, begun } = sleeper(backend);
      const portal = backend.createThreadsPortal(functions);
      const failure = new Error('of the body');
      let calling: Promise<Outcome[]> | undefined;
      const running = portal.run(async () => {
        calling = callFromThread(backend, portal, ['runCoroutine', 'forever']);
        await begun.wait();
        throw failure;
      });
      await assert.rejects(running, (error) => error === failure);
      const [outcome] = (await calling) ?? [];
      assert.deepEqual([outcome?.[0], outcome?.[3]], ['thrown', CANCELLED]);
    });

    test('by the end of their thread cancels the function', async ({ backend }) => {
      const { functions, begun, ended } = sleeper(backend);
      const portal = backend.createThreadsPortal(functions);
      await portal.run(async () => {
        const scope = backend.openCancelScope();
        await backend.createTaskGroup().run(async (group) => {
          group.startSoon(() =>
            scope.run(() =>
              inThread(backend, portal, 'callPortal', [[['runCoroutine', 'forever']]], {
                abandonOnCancel: true,
              }),
            ),
          );
          await begun.wait();
          scope.cancel();
        });
        assert.ok(scope.cancelledCaught());
        await ended.wait();
        assert.deepEqual(await callFromThread(backend, portal, ['runSync', 'add', 1, 1]), [
          ['returned', 2],
        ]);
      });
    });
  });
}

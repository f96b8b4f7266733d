import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { connectThreadsPortal } from '../threads/connect-portal';
import { BAD_STATE, BAD_TYPE, hasSettled, rejectsWith, throwsWith } from './expectations';
import { defineSuite } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';
import { type Call, type Outcome, threadFunction, threadFunctionsFile } from './thread-functions';
import { callFromThread } from './threads-portal-calls';
import { testPortalCancelling } from './threads-portal-cancelling';

const METHODS = ['runSync', 'runSyncSoon', 'runCoroutine', 'runCoroutineSoon'] as const;
const COROUTINE_METHODS = ['runCoroutine', 'runCoroutineSoon'] as const;

function assertNotRunning(outcomes: readonly Outcome[]): void {
  assert.equal(outcomes.length, METHODS.length);
  for (const [kind, name, message, code] of outcomes) {
    assert.deepEqual([kind, name, code], ['thrown', 'InvalidStateError', BAD_STATE]);
    assert.match(message as string, /not running/);
  }
}

/** Defines the tests of the portal between threads. */
export function testThreadsPortal(runner: TestRunner, subject: ConformanceSubject): void {
  testCalls(runner, subject);
  testStates(runner, subject);
  testPortalCancelling(runner, subject);
}

function testCalls(runner: TestRunner, subject: ConformanceSubject): void {
  defineSuite(runner, subject, 'a call of a threads portal', (test) => {
    for (const method of METHODS) {
      test(`${method} calls a function in the portal's thread, and gives its result`, async ({
        backend,
      }) => {
        const calls: unknown[] = [];
        const portal = backend.createThreadsPortal({
          add: (a: number, b: number) => (calls.push([a, b]), a + b),
        });
        await portal.run(async () => {
          assert.deepEqual(await callFromThread(backend, portal, [method, 'add', 1, 2]), [
            ['returned', 3],
          ]);
        });
        assert.deepEqual(calls, [[1, 2]]);
      });

      test(`${method} throws what the function throws, and the portal goes on`, async ({
        backend,
      }) => {
        const portal = backend.createThreadsPortal({
          fail() {
            throw Object.assign(new RangeError('too far'), { code: 'FAR' });
          },
          add: (a: number, b: number) => a + b,
        });
        await portal.run(async () => {
          assert.deepEqual(
            await callFromThread(backend, portal, [method, 'fail'], [method, 'add', 2, 2]),
            [
              ['thrown', 'RangeError', 'too far', 'FAR'],
              ['returned', 4],
            ],
          );
        });
      });

      test(`${method} rejects a name that is none of its functions, and values that cannot be cloned`, async ({
        backend,
      }) => {
        const portal = backend.createThreadsPortal({ closure: () => () => 1 });
        await portal.run(async () => {
          const [unknown, inherited, closure] = await callFromThread(
            backend,
            portal,
            [method, 'x'],
            [method, 'toString'],
            [method, 'closure'],
          );
          assert.deepEqual(unknown?.slice(0, 2), ['thrown', 'TypeError']);
          assert.match(inherited?.[2] ?? '', /"toString"/);
          assert.deepEqual(closure?.slice(0, 2), ['thrown', 'DataCloneError']);
        });
      });
    }

    for (const method of COROUTINE_METHODS) {
      test(`${method} waits for an async function, which may use the backend`, async ({
        backend,
      }) => {
        const portal = backend.createThreadsPortal({
          async wait(value: string) {
            await backend.sleep(2);
            return value;
          },
        });
        await portal.run(async () => {
          assert.deepEqual(await callFromThread(backend, portal, [method, 'wait', 'x']), [
            ['returned', 'x'],
          ]);
        });
      });
    }

    for (const method of ['runSync', 'runSyncSoon'] as const) {
      test(`${method} refuses a function that waits, and does not begin one that is plainly async`, async ({
        backend,
      }) => {
        let begun = 0;
        const portal = backend.createThreadsPortal({
          async waits() {
            begun++;
            await backend.sleep(1);
          },
          hidden: () => Promise.reject(new Error('of nobody')),
        });
        await portal.run(async () => {
          for (const outcome of await callFromThread(
            backend,
            portal,
            [method, 'waits'],
            [method, 'hidden'],
          )) {
            assert.deepEqual(outcome.slice(0, 2), ['thrown', 'TypeError']);
            assert.match(outcome[2] as string, /runCoroutine/);
          }
        });
        assert.equal(begun, 0);
      });
    }

    test('runs in the context of the portal: a coroutine as a task of it, another function in the task that runs it', async ({
      backend,
    }) => {
      const storage = new AsyncLocalStorage<string>();
      const context = () => [backend.getCurrentTask().id, storage.getStore()] as const;
      const portal = backend.createThreadsPortal({
        sync: context,
        async coroutine() {
          await backend.coroYield();
          return context();
        },
      });
      const own = backend.getCurrentTask().id;
      // Where a handle is made makes no difference.
      const [handle] = await backend.gather(async () => portal.handle());
      const calls: readonly Call[] = [
        ['runSync', 'sync'],
        ['runCoroutine', 'coroutine'],
      ];
      await storage.run('of the portal', () =>
        portal.run(async () => {
          const [sync, coroutine] = await backend.runInThread<Outcome[]>(
            threadFunction('callPortal'),
            [handle, calls],
            {
              transfer: [handle.port],
            },
          );
          assert.deepEqual(sync, ['returned', [own, 'of the portal']]);
          const [id, stored] = coroutine?.[1] as ReturnType<typeof context>;
          assert.notEqual(id, own);
          assert.equal(stored, 'of the portal');
        }),
      );
    });

    test('may come from several threads at once, each by a handle of its own', async ({
      backend,
    }) => {
      let here = 0;
      const all = backend.createEvent();
      const portal = backend.createThreadsPortal({
        async meet() {
          if (++here === 2) all.set();
          await all.wait();
        },
      });
      await portal.run(async () => {
        const [one, other] = await backend.gather(
          () => callFromThread(backend, portal, ['runCoroutine', 'meet']),
          () => callFromThread(backend, portal, ['runCoroutineSoon', 'meet']),
        );
        assert.deepEqual([one, other], [[['returned', undefined]], [['returned', undefined]]]);
      });
    });

    test('may come from any Worker', async ({ backend }) => {
      const portal = backend.createThreadsPortal({ add: (a: number, b: number) => a + b });
      await portal.run(async () => {
        const handle = portal.handle();
        const code = `
          const { parentPort, workerData: { file, handle } } = require('node:worker_threads');
          require(file).callPortal(handle, [['runSync', 'add', 1, 2]]).then((outcomes) => parentPort.postMessage(outcomes));
        `;
        const worker = new Worker(code, {
          eval: true,
          workerData: { file: threadFunctionsFile, handle },
          transferList: [handle.port],
        });
        const exited = once(worker, 'exit');
        const [outcomes] = (await backend.waitFor(once(worker, 'message'))) as [Outcome[]];
        assert.deepEqual(outcomes, [['returned', 3]]);
        // By itself: its line to the portal does not keep it alive.
        assert.deepEqual(await backend.waitFor(exited), [0]);
      });
    });
  });
}

function testStates(runner: TestRunner, subject: ConformanceSubject): void {
  defineSuite(runner, subject, 'a threads portal', (test) => {
    test('settles as its body does, with the same error object', async ({ backend }) => {
      assert.equal(await backend.createThreadsPortal({}).run(() => 5), 5);
      const failure = new Error('of the body');
      const failing = backend.createThreadsPortal({}).run(() => Promise.reject(failure));
      await assert.rejects(failing, (error) => error === failure);
    });

    test('cannot be called before it opens, or after it closed', async ({ backend }) => {
      const portal = backend.createThreadsPortal({ add: (a: number, b: number) => a + b });
      const calls = METHODS.map((method) => [method, 'add', 1, 1] as const);
      assertNotRunning(await callFromThread(backend, portal, ...calls));
      const handle = portal.handle();
      await portal.run(() => undefined);
      assertNotRunning(
        await backend.runInThread(threadFunction('callPortal'), [handle, calls], {
          transfer: [handle.port],
        }),
      );
      throwsWith(BAD_STATE, () => portal.handle());
    });

    test('runs once', async ({ backend }) => {
      const portal = backend.createThreadsPortal({});
      await portal.run(async () => {
        assert.match(
          (await rejectsWith(BAD_STATE, () => portal.run(() => undefined))).message,
          /twice/,
        );
      });
      await rejectsWith(BAD_STATE, () => portal.run(() => undefined));
    });

    test('cannot be called from its own thread', async ({ backend }) => {
      const portal = backend.createThreadsPortal({});
      await portal.run(() => {
        const handle = portal.handle();
        assert.throws(
          () => connectThreadsPortal(handle),
          ({ code, message }: Error & { code: string }) =>
            code === BAD_STATE && /different thread/.test(message),
        );
        handle.port.close();
      });
    });

    test('refuses invalid functions and handles', async ({ backend }) => {
      throwsWith(BAD_TYPE, () => backend.createThreadsPortal({ x: 1 } as never));
      throwsWith(BAD_TYPE, () => backend.createThreadsPortal(null as never));
      throwsWith(BAD_TYPE, () => connectThreadsPortal({} as never));
      throwsWith(BAD_TYPE, () => connectThreadsPortal(null as never));
      await rejectsWith(BAD_TYPE, () => backend.createThreadsPortal({}).run(5 as never));
    });

    test('waits for calls under way when it closes, and takes no new ones', async ({ backend }) => {
      const events: string[] = [];
      const begun = backend.createEvent();
      const goOn = backend.createEvent();
      const portal = backend.createThreadsPortal({
        async slow() {
          begun.set();
          await goOn.wait();
          events.push('call');
          return 'done';
        },
      });
      const handle = portal.handle();
      let calling: Promise<Outcome[]> | undefined;
      const running = portal.run(async () => {
        calling = callFromThread(backend, portal, ['runCoroutine', 'slow']);
        await begun.wait();
      });
      await begun.wait();
      assert.equal(await hasSettled(running), false);
      const late = METHODS.map((method) => [method, 'slow'] as const);
      assertNotRunning(
        await backend.runInThread(threadFunction('callPortal'), [handle, late], {
          transfer: [handle.port],
        }),
      );
      throwsWith(BAD_STATE, () => portal.handle());
      goOn.set();
      await running;
      events.push('portal');
      assert.deepEqual(await calling, [['returned', 'done']]);
      assert.deepEqual(events, ['call', 'portal']);
    });
  });
}

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { threadId } from 'node:worker_threads';
import { BusyResourceError } from '../errors';
import { BAD_TYPE, CANCELLED, hasSettled, rejectsWith, UNSUPPORTED } from './expectations';
import { defineSuite, type Scenario } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';
import { threadFunction, threadFunctionsFile } from './thread-functions';
import { ThreadGate } from './thread-gate';

/** The declarations of Node.js 20 do not have this property. */
const { typescript: nodeStripsTypes } = process.features as {
  readonly typescript?: false | 'strip' | 'transform';
};

/** Writes a module to a new file, and returns its absolute path. */
function freshModule(scenario: Scenario, extension: string, source: string): string {
  const path = `${scenario.freshPath()}.${extension}`;
  writeFileSync(path, source);
  return path;
}

/** Defines the tests of `runInThread`. */
export function testThreads(runner: TestRunner, subject: ConformanceSubject): void {
  defineSuite(runner, subject, 'runInThread', (test) => {
    test('calls an exported function in another thread, and gives its result', async ({
      backend,
    }) => {
      assert.equal(await backend.runInThread(threadFunction('add'), [1, 2]), 3);
      const there = await backend.runInThread<{ isMainThread: boolean; threadId: number }>(
        threadFunction('where'),
      );
      assert.equal(there.isMainThread, false);
      assert.notEqual(there.threadId, threadId);
    });

    test('finds a module by its path, its URL, or its name; without a name of an export, the default', async (scenario) => {
      const { backend } = scenario;
      const path = freshModule(
        scenario,
        'mjs',
        'export default (n) => 2 * n; export const triple = async (n) => 3 * n;',
      );
      const url = pathToFileURL(path);
      assert.equal(await backend.runInThread({ module: path }, [2]), 4);
      assert.equal(await backend.runInThread({ module: url, name: 'triple' }, [2]), 6);
      assert.equal(await backend.runInThread({ module: url.href }, [3]), 6);
      assert.equal(
        await backend.runInThread({ module: 'node:path', name: 'basename' }, ['a/b']),
        'b',
      );
    });

    test('runs functions of CommonJS modules, whichever way they are exported', async (scenario) => {
      const { backend } = scenario;
      const named = freshModule(scenario, 'cjs', 'exports.double = (n) => 2 * n;');
      assert.equal(await backend.runInThread({ module: named, name: 'double' }, [2]), 4);
      const computed = freshModule(
        scenario,
        'cjs',
        "module.exports = { ['tri' + 'ple']: (n) => 3 * n };",
      );
      assert.equal(await backend.runInThread({ module: computed, name: 'triple' }, [2]), 6);
      const only = freshModule(scenario, 'cjs', 'module.exports = (n) => 4 * n;');
      assert.equal(await backend.runInThread({ module: only }, [2]), 8);
    });

    test('runs functions of TypeScript modules where Node strips types, and elsewhere says what is missing', async (scenario) => {
      const module = freshModule(
        scenario,
        'mts',
        'export const double = (n: number): number => 2 * n;',
      );
      const call = (): Promise<unknown> =>
        scenario.backend.runInThread({ module, name: 'double' }, [21]);
      if (typeof nodeStripsTypes === 'string') {
        assert.equal(await call(), 42);
        return;
      }
      const { message, cause } = await rejectsWith(UNSUPPORTED, call);
      assert.match(message, /TypeScript/);
      assert.ok(message.includes(module));
      assert.equal((cause as { code?: string }).code, 'ERR_UNKNOWN_FILE_EXTENSION');
    });

    test('does not block the event loop', async ({ backend }) => {
      const gate = new ThreadGate();
      const call = backend.runInThread(threadFunction('passGate'), [gate.shared]);
      await gate.reached(1);
      await backend.sleep(1);
      assert.equal(await hasSettled(call), false);
      gate.open();
      assert.equal(await call, 1);
    });

    test('gives errors with their class, message, own properties, cause, and the stack of the other thread', async ({
      backend,
    }) => {
      const thrownBy = (kind: unknown): Promise<unknown> =>
        backend.runInThread(threadFunction('fail'), [kind]).then(
          () => assert.fail('expected a rejection, but it resolved'),
          (error: unknown) => error,
        );
      const language = (await thrownBy('of the language')) as TypeError & { code: string };
      assert.ok(language instanceof TypeError);
      assert.deepEqual(
        [language.name, language.message, language.code],
        ['TypeError', 'wrong', 'WRONG'],
      );
      assert.equal((language.cause as Error).message, 'because');
      assert.ok(language.stack?.includes('thread-functions'), language.stack);
      const library = await thrownBy('of the library');
      assert.ok(library instanceof BusyResourceError);
      assert.equal(library.message, 'busy');
      // A class that this thread does not know arrives as what it extends.
      const own = await thrownBy('of its own');
      assert.ok(own instanceof RangeError);
      assert.deepEqual([own.name, own.message], ['OwnClass', 'own']);
      assert.equal(await thrownBy(7), 7);
    });

    test('refuses a function, with the way to do it in the message, and a relative path', async ({
      backend,
    }) => {
      const closure = (() => 1) as unknown as { module: string };
      assert.match(
        (await rejectsWith(BAD_TYPE, () => backend.runInThread(closure))).message,
        /export/,
      );
      assert.match(
        (await rejectsWith(BAD_TYPE, () => backend.runInThread({ module: './x.mjs' }))).message,
        /relative/,
      );
      await rejectsWith(BAD_TYPE, () => backend.runInThread(null as never));
      await rejectsWith(BAD_TYPE, () => backend.runInThread({ module: 5 as never }));
      await rejectsWith(BAD_TYPE, () => backend.runInThread(threadFunction('add'), 5 as never));
    });

    test('says which module has no such function, and what cannot be cloned', async ({
      backend,
    }) => {
      const missing = backend.runInThread({ module: threadFunctionsFile, name: 'nothing' });
      await assert.rejects(
        missing,
        (error: Error) =>
          error instanceof TypeError && /thread-functions.*"nothing"/.test(error.message),
      );
      await assert.rejects(
        backend.runInThread({ module: 'node:no-such-module' }),
        /no-such-module/,
      );
      await assert.rejects(backend.runInThread(threadFunction('add'), [() => 1]), {
        name: 'DataCloneError',
      });
      await assert.rejects(backend.runInThread(threadFunction('uncloneable')), {
        name: 'DataCloneError',
      });
      assert.equal(await backend.runInThread(threadFunction('add'), [1, 1]), 2);
    });

    test('clones arguments, and moves those that are to be transferred, as results', async ({
      backend,
    }) => {
      const bytes = new Uint8Array([1, 2]);
      const copied = await backend.runInThread<Uint8Array>(threadFunction('moveBack'), [bytes]);
      assert.deepEqual([...bytes, ...copied], [1, 2, 2, 2]);
      const moved = await backend.runInThread<Uint8Array>(threadFunction('moveBack'), [bytes], {
        transfer: [bytes.buffer],
      });
      assert.equal(bytes.byteLength, 0);
      assert.deepEqual([...moved], [2, 2]);
    });

    test('a function that ends its thread rejects, and later calls work', async ({ backend }) => {
      await assert.rejects(backend.runInThread(threadFunction('endThread')));
      assert.equal(await backend.runInThread(threadFunction('add'), [1, 1]), 2);
    });

    test('when cancelled, waits for the function, and the next checkpoint rejects', async ({
      backend,
    }) => {
      const gate = new ThreadGate();
      const scope = backend.openCancelScope();
      let result: unknown;
      const running = scope.run(async () => {
        result = await backend.runInThread(threadFunction('passGate'), [gate.shared]);
        await rejectsWith(CANCELLED, () => backend.coroYield());
        await backend.coroYield();
      });
      await gate.reached(1);
      for (let i = 0; i < 3; i++) {
        scope.cancel();
        assert.equal(await hasSettled(running), false);
      }
      gate.open();
      await running;
      assert.equal(result, 1);
      assert.ok(scope.cancelledCaught());
    });

    test('when cancelled with abandonOnCancel, rejects at once', async ({ backend }) => {
      const gate = new ThreadGate();
      const scope = backend.openCancelScope();
      const running = scope.run(() =>
        backend.runInThread(threadFunction('passGate'), [gate.shared], { abandonOnCancel: true }),
      );
      await gate.reached(1);
      scope.cancel();
      assert.equal(await running, undefined);
      assert.ok(scope.cancelledCaught());
      assert.equal(await backend.runInThread(threadFunction('add'), [1, 1]), 2);
    });

    test('runs nothing in a cancelled scope', async (scenario) => {
      const { backend } = scenario;
      const gate = new ThreadGate();
      gate.open();
      for (const abandonOnCancel of [false, true]) {
        await scenario.inCancelledScope(async () => {
          await rejectsWith(CANCELLED, () =>
            backend.runInThread(threadFunction('passGate'), [gate.shared], { abandonOnCancel }),
          );
        });
      }
      // Nor later.
      assert.equal(await backend.runInThread(threadFunction('passGate'), [gate.shared]), 1);
    });

    test('keeps the context of its caller', async ({ backend }) => {
      const storage = new AsyncLocalStorage<string>();
      const task = backend.getCurrentTask();
      await storage.run('mine', async () => {
        await backend.runInThread(threadFunction('add'), [1, 1]);
        assert.equal(storage.getStore(), 'mine');
        assert.equal(backend.getCurrentTask().id, task.id);
      });
    });
  });
}

import assert from 'node:assert/strict';
import type { AsyncBackend } from '../contract/backend';
import { AsyncExecutor } from '../threads/async-executor';
import {
  BAD_STATE,
  BAD_TYPE,
  CANCELLED,
  CLOSED,
  endsQuietly,
  hasSettled,
  rejectsWith,
  throwsWith,
} from './expectations';
import { defineSuite, type Scenario } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';
import { threadFunction } from './thread-functions';
import { ThreadGate } from './thread-gate';

/** An executor that is shut down in the end. */
function executorOf(scenario: Scenario, maxThreads = 1): AsyncExecutor {
  const executor = new AsyncExecutor(scenario.backend, { maxThreads });
  scenario.atEnd(() => executor.shutdown({ cancelPending: true }));
  return executor;
}

async function collect(results: AsyncIterable<unknown>): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const value of results) values.push(value);
  return values;
}

/** Defines the tests of an AsyncExecutor over the backend. */
export function testExecutor(runner: TestRunner, subject: ConformanceSubject): void {
  defineSuite(runner, subject, 'an executor', (test) => {
    test('runs functions in threads of its own, and knows its backend', async (scenario) => {
      const executor = executorOf(scenario);
      assert.equal(executor.backend(), scenario.backend);
      assert.equal(await executor.run(threadFunction('add'), [1, 2]), 3);
      await assert.rejects(executor.run(threadFunction('fail'), ['of the language']), TypeError);
      await rejectsWith(BAD_TYPE, () => executor.run((() => 1) as never));
      throwsWith(BAD_TYPE, () => new AsyncExecutor({} as AsyncBackend));
    });

    test('runs as many calls at once as it has threads, and queues the others', async (scenario) => {
      const executor = executorOf(scenario, 2);
      const gate = new ThreadGate();
      const calls = Array.from({ length: 3 }, () =>
        executor.run(threadFunction('passGate'), [gate.shared]),
      );
      await gate.reached(2);
      assert.equal(await hasSettled(Promise.race(calls)), false);
      assert.equal(gate.count, 2);
      gate.open();
      await Promise.all(calls);
      assert.equal(gate.count, 3);
    });

    test('does not make a call that is cancelled in the queue', async (scenario) => {
      const { backend } = scenario;
      const executor = executorOf(scenario);
      const gate = new ThreadGate();
      const first = executor.run(threadFunction('passGate'), [gate.shared]);
      await gate.reached(1);
      const scope = backend.openCancelScope();
      const second = scope.run(() => executor.run(threadFunction('passGate'), [gate.shared]));
      scope.cancel();
      await endsQuietly(second);
      assert.ok(scope.cancelledCaught());
      gate.open();
      await first;
      await executor.run(threadFunction('add'), [1, 1]);
      assert.equal(gate.count, 1);
    });

    test('replaces the thread of a call that is cancelled with abandonOnCancel', async (scenario) => {
      const executor = executorOf(scenario);
      const gate = new ThreadGate();
      const scope = scenario.backend.openCancelScope();
      const running = scope.run(() =>
        executor.run(threadFunction('passGate'), [gate.shared], { abandonOnCancel: true }),
      );
      await gate.reached(1);
      scope.cancel();
      await endsQuietly(running);
      // The gate is still closed.
      assert.equal(await executor.run(threadFunction('add'), [1, 1]), 2);
    });

    test('maps in order', async (scenario) => {
      const executor = executorOf(scenario, 2);
      const moved = executor.map<Uint8Array>(
        threadFunction('moveBack'),
        [1, 2, 3, 4, 5].map((n) => new Uint8Array([n])),
      );
      assert.deepEqual(
        (await collect(moved)).map((bytes) => (bytes as Uint8Array)[0]),
        [2, 3, 4, 5, 6],
      );
      assert.deepEqual(await collect(executor.map(threadFunction('add'), [])), []);
    });

    test('makes all calls of a map at once, before the iteration begins', async (scenario) => {
      const executor = executorOf(scenario, 2);
      const gate = new ThreadGate();
      const results = executor.map(threadFunction('passGate'), [gate.shared, gate.shared]);
      await gate.reached(2);
      gate.open();
      assert.deepEqual(await collect(results), [2, 2]);
    });

    test('fails a map with the first failure, in order, and takes back what has not begun', async (scenario) => {
      const executor = executorOf(scenario);
      const seen: unknown[] = [];
      const results = executor.map(threadFunction('fail'), ['of the language', 'of the library']);
      const iterating = (async () => {
        for await (const value of results) seen.push(value);
      })();
      await assert.rejects(iterating, TypeError);
      assert.deepEqual(seen, []);
    });

    test('does not make queued calls of a map whose iteration ends early', async (scenario) => {
      const executor = executorOf(scenario);
      const gate = new ThreadGate();
      gate.open();
      for await (const value of executor.map(
        threadFunction('passGate'),
        Array<unknown>(50).fill(gate.shared),
      )) {
        if (value === 1) break;
      }
      // One that had begun ends unheard; this one waits behind it.
      await executor.run(threadFunction('add'), [1, 1]);
      assert.ok(gate.count < 50, `${gate.count} were made`);
    });

    test('cancels the wait of a map', async (scenario) => {
      const { backend } = scenario;
      const executor = executorOf(scenario);
      const gate = new ThreadGate();
      const results = executor.map(threadFunction('passGate'), [gate.shared, gate.shared]);
      const scope = backend.openCancelScope();
      const running = scope.run(async () => {
        await rejectsWith(CANCELLED, () => results.next());
        await backend.coroYield();
      });
      await gate.reached(1);
      scope.cancel();
      await endsQuietly(running);
      gate.open();
      // The second call was taken back with it.
      await executor.shutdown();
      assert.equal(gate.count, 1);
    });

    test('is shut down when what runs and what is queued has ended, any number of times, and takes nothing more', async (scenario) => {
      const executor = executorOf(scenario);
      const gate = new ThreadGate();
      const calls = [1, 2].map(() => executor.run(threadFunction('passGate'), [gate.shared]));
      await gate.reached(1);
      const shutdown = executor.shutdown();
      await rejectsWith(BAD_STATE, () => executor.run(threadFunction('add'), [1, 1]));
      throwsWith(BAD_STATE, () => executor.map(threadFunction('add'), [1]));
      assert.equal(await hasSettled(shutdown), false);
      gate.open();
      await shutdown;
      assert.equal(gate.count, 2);
      await Promise.all(calls);
      await executor.shutdown();
      await executor[Symbol.asyncDispose]();
    });

    test('drops the queue when it is shut down so, and still waits for what runs', async (scenario) => {
      const executor = executorOf(scenario);
      const gate = new ThreadGate();
      const first = executor.run(threadFunction('passGate'), [gate.shared]);
      const second = executor.run(threadFunction('passGate'), [gate.shared]);
      await gate.reached(1);
      const shutdown = executor.shutdown({ cancelPending: true });
      await rejectsWith(CLOSED, () => second);
      assert.equal(await hasSettled(shutdown), false);
      gate.open();
      await shutdown;
      assert.equal(await first, 1);
    });

    test('shuts down completely even in a cancelled scope', async (scenario) => {
      const executor = executorOf(scenario);
      const gate = new ThreadGate();
      const call = executor.run(threadFunction('passGate'), [gate.shared]);
      await gate.reached(1);
      let wasShutDown = false;
      const running = scenario.inCancelledScope(async () => {
        await executor.shutdown();
        wasShutDown = true;
      });
      assert.equal(await hasSettled(running), false);
      gate.open();
      await running;
      assert.ok(wasShutDown);
      assert.equal(await call, 1);
    });
  });
}

import { describe, expect, it } from 'vitest';
import { type AsyncBackend, AsyncExecutor, newBuiltinBackend } from '#lib/index';
import { expectNoLeaks } from '../../support/fds';

expectNoLeaks();

const module = new URL('../../support/fixtures/thread-functions.mjs', import.meta.url);

describe.each(['native', 'node'] as const)('on the %s backend', (name) => {
  const backend: AsyncBackend = newBuiltinBackend(name);

  /** Runs a test's body as a task, with an executor of one thread, which is shut down in the end. */
  const withExecutor = (body: (executor: AsyncExecutor) => Promise<void>) => () =>
    backend.bootstrap(async () => {
      const executor = new AsyncExecutor(backend, { maxThreads: 1 });
      try {
        await body(executor);
      } finally {
        await executor.shutdown({ cancelPending: true });
      }
    });

  const gate = () => new Int32Array(new SharedArrayBuffer(8));
  function openGate(cells: Int32Array): void {
    Atomics.store(cells, 1, 1);
    Atomics.notify(cells, 1);
  }
  async function untilCounted(cells: Int32Array, count: number): Promise<void> {
    while (Atomics.load(cells, 0) < count) await backend.sleep(1);
  }

  describe('AsyncExecutor', () => {
    it('runs functions in its own threads, and knows its backend', withExecutor(async (executor) => {
    expect(executor.backend()).toBe(backend);
    expect(await executor.run({ module, name: 'add' }, [1, 2])).toBe(3);
    await expect(executor.run({ module, name: 'fail' }, ['type'])).rejects.toBeInstanceOf(TypeError);
  })); // prettier-ignore

    it('maps in order, with all calls made at once', withExecutor(async (executor) => {
    const cells = gate();
    const results = executor.map<number>({ module, name: 'countAndWait' }, [cells.buffer, cells.buffer]);
    await untilCounted(cells, 1);
    openGate(cells);
    const values: number[] = [];
    for await (const value of results) values.push(value);
    expect(values).toEqual([1, 2]);
  })); // prettier-ignore

    it('takes calls back that have not begun when a map is left early', withExecutor(async (executor) => {
    const cells = gate();
    openGate(cells);
    for await (const value of executor.map<number>({ module, name: 'countAndWait' }, Array<unknown>(20).fill(cells.buffer))) {
      if (value >= 1) break;
    }
    // The one that had begun ends unheard; this one waits behind it.
    await executor.run({ module, name: 'add' }, [1, 1]);
    expect(cells[0]).toBeLessThan(20);
  })); // prettier-ignore

    it('fails a map with the first failure, in order', withExecutor(async (executor) => {
    const seen: unknown[] = [];
    await expect(
      (async () => {
        for await (const value of executor.map({ module, name: 'fail' }, ['type', 'own'])) seen.push(value);
      })(),
    ).rejects.toBeInstanceOf(TypeError);
    expect(seen).toEqual([]);
  })); // prettier-ignore

    it('cancels the wait of a map', withExecutor(async (executor) => {
    const cells = gate();
    const scope = backend.moveOnAfter(5);
    await scope.run(async () => {
      for await (const value of executor.map({ module, name: 'countAndWait' }, [cells.buffer])) expect(value).toBeUndefined();
    });
    expect(scope.cancelledCaught()).toBe(true);
    openGate(cells);
  })); // prettier-ignore

    it('waits for what runs and what is queued when it is shut down, any number of times', withExecutor(async (executor) => {
    const first = executor.run({ module, name: 'block' }, [20, 'first']);
    const second = executor.run({ module, name: 'block' }, [1, 'second']);
    await executor.shutdown();
    expect(await Promise.all([first, second])).toEqual(['first', 'second']);
    await executor.shutdown();
    await expect(executor.run({ module, name: 'add' }, [1, 1])).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
    expect(() => executor.map({ module, name: 'add' }, [1])).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
  })); // prettier-ignore

    it('drops the queue when it is shut down so, and still waits for what runs', withExecutor(async (executor) => {
    const cells = gate();
    const first = executor.run({ module, name: 'countAndWait' }, [cells.buffer]);
    const second = executor.run({ module, name: 'countAndWait' }, [cells.buffer]);
    await untilCounted(cells, 1);
    const shutdown = executor.shutdown({ cancelPending: true });
    await expect(second).rejects.toMatchObject({ code: 'ERR_CLOSED_RESOURCE' });
    openGate(cells);
    await shutdown;
    expect(await first).toBe(1);
  })); // prettier-ignore

    it('refuses what is no backend', () => {
      expect(() => new AsyncExecutor({} as AsyncBackend)).toThrow(TypeError);
    });
  });
});

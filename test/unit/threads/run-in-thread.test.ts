import { AsyncLocalStorage } from 'node:async_hooks';
import { afterAll, describe, expect, it } from 'vitest';
import { type AsyncBackend, BusyResourceError, CancelledError, newBuiltinBackend } from '#lib/index';
import { runCode } from '../../support/child';
import { expectNoLeaks } from '../../support/fds';

expectNoLeaks();

const module = new URL('../../support/fixtures/thread-functions.mjs', import.meta.url);

describe.each(['native', 'node'] as const)('on the %s backend', (name) => {
  const backend: AsyncBackend = newBuiltinBackend(name, { threads: { maxThreads: 2 } });

  /** Runs a test's body as a task: the pool's threads end with it. */
  const task = (body: () => Promise<void>) => () => backend.bootstrap(body);

  /** Waits until the other threads have made a cell of shared memory reach `count`. */
  async function untilCounted(cells: Int32Array, count: number): Promise<void> {
    while (Atomics.load(cells, 0) < count) await backend.sleep(1);
  }

  afterAll(async () => {
    await backend.bootstrap(() => undefined);
  });

  describe('runInThread', () => {
    it('calls an exported function in another thread and gives its result', task(async () => {
    expect(await backend.runInThread({ module, name: 'add' }, [1, 2])).toBe(3);
    expect(await backend.runInThread({ module })).toBe('the default');
    expect(await backend.runInThread({ module: module.href, name: 'where' })).toMatchObject({ isMainThread: false });
  })); // prettier-ignore

    it('finds the exports of a CommonJS module, by absolute path', task(async () => {
    const path = new URL('../../support/fixtures/thread-functions.cjs', import.meta.url).pathname;
    expect(await backend.runInThread({ module: path, name: 'double' }, [21])).toBe(42);
  })); // prettier-ignore

    it('leaves the event loop free meanwhile', task(async () => {
    const cells = new Int32Array(new SharedArrayBuffer(8));
    await backend.createTaskGroup().run(async (group) => {
      const blocked = await group.start(() => backend.runInThread<number>({ module, name: 'countAndWait' }, [cells.buffer]));
      await untilCounted(cells, 1);
      expect(blocked.done()).toBe(false);
      Atomics.store(cells, 1, 1);
      Atomics.notify(cells, 1);
      expect(await blocked.join()).toBe(1);
    });
  })); // prettier-ignore

    it('gives errors with their class, message, own properties, cause and the stack of the other thread', task(async () => {
    const type = await backend.runInThread({ module, name: 'fail' }, ['type']).catch((error: unknown) => error);
    expect(type).toBeInstanceOf(TypeError);
    expect(type).toMatchObject({ message: 'wrong', code: 'ERR_WRONG', cause: { message: 'because' } });
    expect((type as Error).stack).toContain('thread-functions.mjs');
    expect(await backend.runInThread({ module, name: 'fail' }, ['own']).catch((error: unknown) => error)).toBeInstanceOf(BusyResourceError);
    const aggregate = await backend.runInThread({ module, name: 'fail' }, ['aggregate']).catch((error: unknown) => error);
    expect(aggregate).toBeInstanceOf(AggregateError);
    expect((aggregate as AggregateError).errors).toMatchObject([{ name: 'RangeError', message: 'one' }, 'two']);
    const custom = await backend.runInThread({ module, name: 'fail' }, ['custom']).catch((error: unknown) => error);
    expect(custom).toBeInstanceOf(RangeError);
    expect(custom).toMatchObject({ name: 'HomeMade', message: 'mine' });
    await expect(backend.runInThread({ module, name: 'fail' }, [7])).rejects.toBe(7);
  })); // prettier-ignore

    it('says what is wrong with a closure, a relative path, an unknown export and what cannot be cloned', task(async () => {
    const closure = (() => 1) as unknown as { module: string };
    await expect(backend.runInThread(closure)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE', message: expect.stringContaining('import.meta.url') as string });
    await expect(backend.runInThread({ module: './x.mjs' })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE', message: expect.stringContaining('relative') as string });
    await expect(backend.runInThread({ module, name: 'nothing' })).rejects.toThrow('exports no function "nothing"');
    await expect(backend.runInThread({ module, name: 'add' }, [() => 1])).rejects.toMatchObject({ name: 'DataCloneError' });
    await expect(backend.runInThread({ module, name: 'uncloneable' })).rejects.toThrow(/could not be cloned/);
  })); // prettier-ignore

    it('survives a function that ends its thread', task(async () => {
    await expect(backend.runInThread({ module, name: 'exit' })).rejects.toThrow();
    expect(await backend.runInThread({ module, name: 'add' }, [1, 1])).toBe(2);
  })); // prettier-ignore

    it('moves arguments and results that are to be transferred', task(async () => {
    const bytes = new Uint8Array([1, 2]);
    const back = await backend.runInThread<Uint8Array>({ module, name: 'moveBack' }, [bytes], { transfer: [bytes.buffer] });
    expect(bytes.byteLength).toBe(0);
    expect([...back]).toEqual([2, 2]);
  })); // prettier-ignore

    it('waits for the function when cancelled, and is felt at the next checkpoint', task(async () => {
    const cells = new Int32Array(new SharedArrayBuffer(8));
    const scope = backend.openCancelScope();
    let result: unknown;
    await scope.run(async () => {
      await backend.createTaskGroup().run(async (group) => {
        group.startSoon(() => backend.ignoreCancellation(async () => {
          await untilCounted(cells, 1);
          scope.cancel();
          await backend.sleep(20);
          Atomics.store(cells, 1, 1);
          Atomics.notify(cells, 1);
        }));
        result = await backend.runInThread({ module, name: 'countAndWait' }, [cells.buffer]);
        await expect(backend.coroYield()).rejects.toBeInstanceOf(CancelledError);
      });
    });
    expect(result).toBe(1);
    expect(scope.cancelCalled()).toBe(true);
  })); // prettier-ignore

    it('terminates the thread and rejects at once with abandonOnCancel', task(async () => {
    const cells = new Int32Array(new SharedArrayBuffer(8));
    const scope = backend.openCancelScope();
    await scope.run(async () => {
      await backend.createTaskGroup().run(async (group) => {
        group.startSoon(async () => {
          await untilCounted(cells, 1);
          scope.cancel();
        });
        await backend.runInThread({ module, name: 'countAndWait' }, [cells.buffer], { abandonOnCancel: true });
      });
    });
    expect(scope.cancelledCaught()).toBe(true);
    // The pool replaces it.
    expect(await backend.runInThread({ module, name: 'add' }, [1, 1])).toBe(2);
  })); // prettier-ignore

    it('runs nothing in a cancelled scope, nor for a call that is cancelled in the queue', task(async () => {
    const cells = new Int32Array(new SharedArrayBuffer(8));
    const cancelled = backend.openCancelScope();
    cancelled.cancel();
    await cancelled.run(() => backend.runInThread({ module, name: 'countAndWait' }, [cells.buffer]));
    expect(cancelled.cancelledCaught()).toBe(true);

    await backend.createTaskGroup().run(async (group) => {
      for (let i = 0; i < 2; i++) group.startSoon(() => backend.runInThread({ module, name: 'countAndWait' }, [cells.buffer]));
      await untilCounted(cells, 2);
      const queued = backend.openCancelScope();
      group.startSoon(async () => { queued.cancel(); });
      await queued.run(() => backend.runInThread({ module, name: 'countAndWait' }, [cells.buffer]));
      expect(queued.cancelledCaught()).toBe(true);
      Atomics.store(cells, 1, 1);
      Atomics.notify(cells, 1);
    });
    expect(cells[0]).toBe(2);
  })); // prettier-ignore

    it('keeps the context of its caller', task(async () => {
    const storage = new AsyncLocalStorage<string>();
    await storage.run('mine', async () => {
      await backend.runInThread({ module, name: 'add' }, [1, 1]);
      expect(storage.getStore()).toBe('mine');
    });
  })); // prettier-ignore

    it('refuses sizes and times that are none', () => {
      expect(() => newBuiltinBackend('native', { threads: { maxThreads: 0 } })).toThrow(RangeError);
      expect(() => newBuiltinBackend('native', { threads: { idleTimeout: -1 } })).toThrow(RangeError);
      expect(() => newBuiltinBackend('native', { threads: { idleTimeout: NaN } })).toThrow(RangeError);
      expect(() => newBuiltinBackend('native', { threads: { minThreads: 3, maxThreads: 2 } })).toThrow(RangeError);
    });

    it('keeps no process alive while idle, and needs no bootstrap', async () => {
      const { code, stdout, stderr } = await runCode(`
      import { newBuiltinBackend } from 'sockscope';
      const backend = newBuiltinBackend('native', { threads: { idleTimeout: Infinity } });
      console.log(await backend.runInThread({ module: ${JSON.stringify(module.href)}, name: 'add' }, [1, 2]));
    `);
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '3\n', stderr: '' });
    });
  });
});

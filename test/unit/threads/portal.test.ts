import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import {
  type AsyncBackend,
  CancelledError,
  connectThreadsPortal,
  InvalidStateError,
  newBuiltinBackend,
  type PortalFunctions,
  type ThreadsPortal,
} from '#lib/index';
import { expectNoLeaks } from '../../support/fds';

expectNoLeaks();

const module = new URL('../../support/fixtures/thread-functions.mjs', import.meta.url);

describe.each(['native', 'node'] as const)('on the %s backend', (name) => {
  const backend: AsyncBackend = newBuiltinBackend(name, { threads: { maxThreads: 4 } });

  /** Runs a test's body as a task: the pool's threads end with it. */
  const task = (body: () => Promise<void>) => () => backend.bootstrap(body);

  type Outcome = ['returned', unknown] | ['thrown', string, string, string | undefined];

  /** Makes calls from a thread of the pool. */
  async function callFromThread<F extends PortalFunctions>(
    portal: ThreadsPortal<F>,
    ...calls: readonly (readonly unknown[])[]
  ): Promise<Outcome[]> {
    const handle = portal.handle();
    return backend.runInThread<Outcome[]>({ module, name: 'callPortal' }, [handle, calls], { transfer: [handle.port] });
  }

  const methods = ['runSync', 'runSyncSoon', 'runCoroutine', 'runCoroutineSoon'] as const;

  describe('ThreadsPortal', () => {
    it.each(methods)('%s calls a function in the loop\'s thread and gives its result', (method) => backend.bootstrap(async () => {
    const portal = backend.createThreadsPortal({ add: (a: number, b: number) => a + b });
    await portal.run(async () => {
      expect(await callFromThread(portal, [method, 'add', 1, 2])).toEqual([['returned', 3]]);
    });
  })); // prettier-ignore

    it.each(['runCoroutine', 'runCoroutineSoon'] as const)('%s waits for an async function, which may use the backend', (method) => backend.bootstrap(async () => {
    const portal = backend.createThreadsPortal({
      async wait(value: string) {
        await backend.sleep(5);
        return value;
      },
    });
    await portal.run(async () => {
      expect(await callFromThread(portal, [method, 'wait', 'x'])).toEqual([['returned', 'x']]);
    });
  })); // prettier-ignore

    it.each(methods)('%s throws what the function throws, and the portal goes on', (method) => backend.bootstrap(async () => {
    const portal = backend.createThreadsPortal({
      fail() {
        throw Object.assign(new RangeError('too far'), { code: 'ERR_FAR' });
      },
      add: (a: number, b: number) => a + b,
    });
    await portal.run(async () => {
      expect(await callFromThread(portal, [method, 'fail'], [method, 'add', 2, 2])).toEqual([['thrown', 'RangeError', 'too far', 'ERR_FAR'], ['returned', 4]]);
    });
  })); // prettier-ignore

    it('refuses a function that waits in runSync, without beginning an async one', task(async () => {
    let begun = 0;
    const portal = backend.createThreadsPortal({
      async waits() {
        begun++;
        await backend.sleep(1);
      },
      hidden: () => Promise.reject(new Error('unheard')),
    });
    await portal.run(async () => {
      const [direct, hidden] = await callFromThread(portal, ['runSync', 'waits'], ['runSync', 'hidden']);
      expect(direct).toEqual(['thrown', 'TypeError', expect.stringContaining('runCoroutine'), undefined]);
      expect(hidden).toEqual(['thrown', 'TypeError', expect.stringContaining('returned a promise'), undefined]);
    });
    expect(begun).toBe(0);
  })); // prettier-ignore

    it('runs calls in the context of the portal: coroutines as its tasks, sync calls in its own', task(async () => {
    const portal = backend.createThreadsPortal({
      sync: () => backend.getCurrentTask().name,
      coroutine: async () => {
        await backend.coroYield();
        return backend.getCurrentTask().name;
      },
    });
    const own = backend.getCurrentTask().name;
    await portal.run(async () => {
      expect(await callFromThread(portal, ['runSync', 'sync'], ['runCoroutine', 'coroutine'])).toEqual([['returned', own], ['returned', 'portal call coroutine']]);
    });
  })); // prettier-ignore

    it('tells of a function that it does not have, and of a result that cannot be cloned', task(async () => {
    const portal = backend.createThreadsPortal({ closure: () => () => 1 });
    await portal.run(async () => {
      const [unknown, closure] = await callFromThread(portal, ['runSync', 'toString'], ['runCoroutine', 'closure']);
      expect(unknown).toEqual(['thrown', 'TypeError', 'The portal has no function "toString"', undefined]);
      expect(closure?.[2]).toMatch(/could not be cloned/);
    });
  })); // prettier-ignore

    it('cannot be called before it opens nor after it has closed, by any method', task(async () => {
    const portal = backend.createThreadsPortal({ add: (a: number, b: number) => a + b });
    const calls = methods.map((method) => [method, 'add', 1, 1]);
    const before = await callFromThread(portal, ...calls);
    const handle = portal.handle();
    await portal.run(() => undefined);
    const after = await backend.runInThread<Outcome[]>({ module, name: 'callPortal' }, [handle, calls], { transfer: [handle.port] });
    for (const outcome of [...before, ...after]) {
      expect(outcome).toEqual(['thrown', 'InvalidStateError', expect.stringContaining('ThreadsPortal not running'), 'ERR_INVALID_STATE']);
    }
    expect(() => portal.handle()).toThrow(InvalidStateError);
  })); // prettier-ignore

    it('runs once', task(async () => {
    const portal = backend.createThreadsPortal({});
    await portal.run(async () => {
      await expect(portal.run(() => undefined)).rejects.toMatchObject({ code: 'ERR_INVALID_STATE', message: expect.stringContaining('entered twice') as string });
    });
    await expect(portal.run(() => undefined)).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
  })); // prettier-ignore

    it('cannot be connected to in its own thread, nor by what is no handle', () => {
      const portal = backend.createThreadsPortal({});
      const handle = portal.handle();
      expect(() => connectThreadsPortal(handle)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_STATE', message: expect.stringContaining('different thread') as string }),
      );
      expect(() => connectThreadsPortal({} as never)).toThrow(TypeError);
      handle.port.close();
    });

    it('refuses functions that are none', () => {
      expect(() => backend.createThreadsPortal({ x: 1 } as never)).toThrow(TypeError);
      expect(() => backend.createThreadsPortal(null as never)).toThrow(TypeError);
    });

    it('waits for calls under way when it closes, and takes no new ones', task(async () => {
    const events: string[] = [];
    const begun = backend.createEvent();
    const portal = backend.createThreadsPortal({
      async slow() {
        begun.set();
        await backend.sleep(30);
        events.push('call ended');
        return 'done';
      },
    });
    let outcomes: Promise<Outcome[]> | undefined;
    await portal.run(async () => {
      outcomes = callFromThread(portal, ['runCoroutine', 'slow'], ['runCoroutine', 'slow']);
      await begun.wait();
    });
    events.push('portal ended');
    expect(events).toEqual(['call ended', 'portal ended']);
    expect(await outcomes).toEqual([['returned', 'done'], ['thrown', 'InvalidStateError', expect.any(String), 'ERR_INVALID_STATE']]);
  })); // prettier-ignore

    it('cancels its calls when its body fails, and fails with the body\'s error', task(async () => {
    const begun = backend.createEvent();
    const portal = backend.createThreadsPortal({
      async forever() {
        begun.set();
        await backend.sleepForever();
      },
    });
    let outcomes: Promise<Outcome[]> | undefined;
    const error = new Error('body');
    await expect(
      portal.run(async () => {
        outcomes = callFromThread(portal, ['runCoroutine', 'forever']);
        await begun.wait();
        throw error;
      }),
    ).rejects.toBe(error);
    expect(await outcomes).toEqual([['thrown', 'CancelledError', expect.any(String), 'ABORT_ERR']]);
  })); // prettier-ignore

    it('cancels a coroutine call from the worker, between other calls on the same line', task(async () => {
    let caught: unknown;
    const ended = backend.createEvent();
    const portal = backend.createThreadsPortal({
      async forever() {
        try {
          await backend.sleepForever();
        } catch (error) {
          caught = error;
          throw error;
        } finally {
          ended.set();
        }
      },
      add: (a: number, b: number) => a + b,
    });
    await portal.run(async () => {
      const handle = portal.handle();
      const outcome = await backend.runInThread({ module, name: 'cancelSoon' }, [handle, 'forever'], { transfer: [handle.port] });
      expect(outcome).toEqual({ outcome: ['thrown', 'CancelledError'], other: 2, blocking: 4 });
      await ended.wait();
    });
    expect(caught).toBeInstanceOf(CancelledError);
  })); // prettier-ignore

    it('warns of a cancelled call that fails all the same, whose error nobody else sees', task(async () => {
    const warning = once(process, 'warning') as Promise<[Error & { code?: string }]>;
    const portal = backend.createThreadsPortal({
      async stubborn() {
        await backend.sleepForever().catch(() => {
          throw new Error('unheard');
        });
      },
      add: (a: number, b: number) => a + b,
    });
    await portal.run(async () => {
      const handle = portal.handle();
      await backend.runInThread({ module, name: 'cancelSoon' }, [handle, 'stubborn'], { transfer: [handle.port] });
    });
    const [{ code, message }] = await warning;
    expect(code).toBe('SOCKSCOPE_PORTAL');
    expect(message).toContain('unheard');
  })); // prettier-ignore

    it('leaves nothing behind of a worker that is terminated while it waits', task(async () => {
    const begun = backend.createEvent();
    const cancelled = backend.createEvent();
    const portal = backend.createThreadsPortal({
      async forever() {
        begun.set();
        try {
          await backend.sleepForever();
        } finally {
          cancelled.set();
        }
      },
    });
    await portal.run(async () => {
      const handle = portal.handle();
      const code = `
        const { workerData } = require('node:worker_threads');
        const { connectThreadsPortal } = require(${JSON.stringify(new URL('../../../dist/index.js', import.meta.url).pathname)});
        connectThreadsPortal(workerData).runCoroutine('forever');
      `;
      const worker = new Worker(code, { eval: true, workerData: handle, transferList: [handle.port] });
      await begun.wait();
      await worker.terminate();
      await cancelled.wait();
    });
  })); // prettier-ignore

    it('costs a blocked worker no processor time', task(async () => {
    const portal = backend.createThreadsPortal({
      async wait() {
        await backend.sleep(300);
      },
    });
    await portal.run(async () => {
      const before = process.cpuUsage();
      await callFromThread(portal, ['runCoroutine', 'wait']);
      const { user, system } = process.cpuUsage(before);
      const busy = process.cpuUsage();
      // A busy wait would have used these 300 ms. Starting the thread takes some, so the bound is that of the wait alone, with a thread that runs already.
      const again = await callFromThread(portal, ['runCoroutine', 'wait']);
      const used = process.cpuUsage(busy);
      expect(again).toEqual([['returned', undefined]]);
      expect(used.user + used.system).toBeLessThan(250_000);
      expect(user + system).toBeGreaterThan(0);
    });
  })); // prettier-ignore
  });
});

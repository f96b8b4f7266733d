import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { connectThreadsPortal, newBuiltinBackend, type PortalHandle } from '#lib/index';
import { threadFunction } from '#lib/conformance/thread-functions';
import { runCode } from '../../support/child';
import { expectNoLeaks } from '../../support/fds';

expectNoLeaks();

describe('a thread that waits for a portal', () => {
  it('uses no processor time', async () => {
    const backend = newBuiltinBackend('native');
    const begun = backend.createEvent();
    await backend.bootstrap(async () => {
      let used = Infinity;
      const portal = backend.createThreadsPortal({
        // The thread has been started and is blocked now: only its wait can use time from here on.
        async wait() {
          begun.set();
          await backend.coroYield();
          const before = process.cpuUsage();
          await backend.sleep(300);
          const { user, system } = process.cpuUsage(before);
          used = user + system;
        },
      });
      await portal.run(async () => {
        const handle = portal.handle();
        await backend.runInThread(
          threadFunction('callPortal'),
          [handle, [['runCoroutine', 'wait']]],
          { transfer: [handle.port] },
        );
      });
      // A busy wait would have used all of the 300 ms.
      expect(used).toBeLessThan(200_000);
    });
  });

  /** A thread with a portal, whose function `die` ends the thread. */
  const mortal = `
    const { parentPort } = require('node:worker_threads');
    const { newBuiltinBackend } = require(${JSON.stringify(new URL('../../../dist/index.js', import.meta.url).pathname)});
    const backend = newBuiltinBackend('node');
    const portal = backend.createThreadsPortal({ add: (a, b) => a + b, die: () => process.exit(3) });
    portal.run(async () => {
      const handles = [portal.handle(), portal.handle()];
      parentPort.postMessage(handles, handles.map(({ port }) => port));
      await backend.sleepForever();
    });
  `;

  it('gets InvalidStateError from every kind of call when the thread of the portal dies', async () => {
    const worker = new Worker(mortal, { eval: true });
    const [handles] = (await once(worker, 'message')) as [PortalHandle[]];
    const [one, other] = handles.map((handle) =>
      connectThreadsPortal<{ add: (a: number, b: number) => number; die: () => void }>(handle),
    );
    const exited = once(worker, 'exit');
    expect(one?.runSync('add', 1, 2)).toBe(3);
    const notRunning = expect.objectContaining({ code: 'ERR_INVALID_STATE' }) as Error;
    const soon = one?.runCoroutineSoon('die');
    // This thread is blocked: its event loop cannot report the death.
    expect(() => one?.runSync('die')).toThrow(notRunning);
    await expect(soon).rejects.toEqual(notRunning);
    expect(() => one?.runSync('add', 1, 2)).toThrow(notRunning);
    expect(() => other?.runCoroutine('add', 1, 2)).toThrow(notRunning);
    await expect(other?.runSyncSoon('add', 1, 2)).rejects.toEqual(notRunning);
    expect(await exited).toEqual([3]);
  });

  // In a child process: a thread that waits for ever would block the test runner, too.
  it('notices a death between the call and the first look for its reply', async () => {
    const { code, stdout, stderr } = await runCode(
      `
      import { once } from 'node:events';
      import { Worker } from 'node:worker_threads';
      import { connectThreadsPortal } from 'sockscope';
      const worker = new Worker(${JSON.stringify(mortal)}, { eval: true, execArgv: [] });
      const [[handle]] = await once(worker, 'message');
      const { port } = handle;
      const post = port.postMessage.bind(port);
      port.postMessage = (request) => {
        delete port.postMessage;
        const delivered = post(request);
        while (post({ type: 'ping' })); // until the dying thread has closed its port
        return delivered;
      };
      try {
        connectThreadsPortal(handle).runSync('die');
      } catch (error) {
        console.log(error.code);
      }
      `,
      { timeout: 15_000 },
    );
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: 'ERR_INVALID_STATE\n',
      stderr: '',
    });
  });
});

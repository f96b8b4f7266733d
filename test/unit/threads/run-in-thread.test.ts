import { describe, expect, it, vi } from 'vitest';
import { type AsyncBackend, newBuiltinBackend } from '#lib/index';
import { threadFunction } from '#lib/conformance/thread-functions';
import { ThreadGate } from '#lib/conformance/thread-gate';
import { runCode } from '../../support/child';
import { expectNoLeaks } from '../../support/fds';

expectNoLeaks();

describe.each(['native', 'node'] as const)('the threads of the %s backend', (name) => {
  it('are at most maxThreads, and further calls wait', async () => {
    const backend = newBuiltinBackend(name, { threads: { maxThreads: 2 } });
    await backend.bootstrap(async () => {
      const gate = new ThreadGate();
      const calls = Array.from({ length: 3 }, () =>
        backend.runInThread(threadFunction('passGate'), [gate.shared]),
      );
      await gate.reached(2);
      await backend.sleep(1);
      expect(gate.count).toBe(2);
      gate.open();
      await Promise.all(calls);
      expect(gate.count).toBe(3);
    });
  });

  const threadOf = async (backend: AsyncBackend): Promise<number> =>
    (await backend.runInThread<{ threadId: number }>(threadFunction('where'))).threadId;

  it('are used again, and end after idleTimeout', async () => {
    const lasting = newBuiltinBackend(name, { threads: { maxThreads: 1, idleTimeout: Infinity } });
    await lasting.bootstrap(async () => {
      expect(await threadOf(lasting)).toBe(await threadOf(lasting));
    });
    const passing = newBuiltinBackend(name, { threads: { maxThreads: 1, idleTimeout: 0 } });
    await passing.bootstrap(async () => {
      const first = await threadOf(passing);
      await vi.waitFor(async () => expect(await threadOf(passing)).not.toBe(first), 10_000);
    });
  });

  it('refuse sizes and times that are not valid', () => {
    expect(() => newBuiltinBackend(name, { threads: { maxThreads: 0 } })).toThrow(RangeError);
    expect(() => newBuiltinBackend(name, { threads: { idleTimeout: -1 } })).toThrow(RangeError);
    expect(() => newBuiltinBackend(name, { threads: { idleTimeout: NaN } })).toThrow(RangeError);
    expect(() => newBuiltinBackend(name, { threads: { minThreads: 3, maxThreads: 2 } })).toThrow(
      RangeError,
    );
  });

  it('keep no process alive while idle, and need no bootstrap', async () => {
    const { code, stdout, stderr } = await runCode(`
      import { newBuiltinBackend } from 'sockscope';
      const backend = newBuiltinBackend('${name}', { threads: { idleTimeout: Infinity } });
      console.log(await backend.runInThread({ module: 'node:path', name: 'basename' }, ['a/b']));
    `);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'b\n', stderr: '' });
  });

  it('reject the calls that wait for a thread that cannot start', async () => {
    const failing = `data:text/javascript,${encodeURIComponent(
      "import { isMainThread } from 'node:worker_threads'; if (!isMainThread) throw new Error('planted');",
    )}`;
    const { code, stdout, stderr } = await runCode(
      `
      import { newBuiltinBackend } from 'sockscope';
      const backend = newBuiltinBackend('${name}');
      const call = () => backend.runInThread({ module: 'node:path', name: 'basename' }, ['a/b']);
      for (const { reason } of await Promise.allSettled([call(), call()])) console.log(reason.message);
      console.log((await call().catch((error) => error)).message);
      `,
      { execArgv: ['--import', failing] },
    );
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: 'planted\nplanted\nplanted\n',
      stderr: '',
    });
  });
});

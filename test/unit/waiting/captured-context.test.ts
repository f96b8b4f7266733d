import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter, once } from 'node:events';
import { Server } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nativeBinding } from '#lib/binding';
import { threadFunction } from '#lib/conformance/thread-functions';
import { newBuiltinBackend, SocketAttribute, type AsyncBackend } from '#lib/index';
import { type Lookup, SharedLookups } from '#lib/networking/shared-lookups';
import type { OwnPortalHandle } from '#lib/threads/portal-protocol';
import { currentScope } from '#lib/waiting/context';
import { warn } from '#lib/waiting/warn';
import { expectNoLeaks } from '../../support/fds';

expectNoLeaks();

const user = new AsyncLocalStorage<string>();

/** What code that runs now would belong to. */
const context = (): unknown[] => [user.getStore(), currentScope()];
const NONE = [undefined, undefined];

/** Runs `fn` with a value of the user's, in a scope that is cancelled at its end. */
async function inScope(backend: AsyncBackend, fn: () => Promise<unknown>): Promise<void> {
  const scope = backend.openCancelScope();
  await user.run('of the first task', () =>
    scope.run(async () => {
      await fn();
      scope.cancel();
    }),
  );
}

afterEach(() => {
  vi.restoreAllMocks();
});

// Each of these outlives the task that happens to cause it, and serves others.
describe('no context of the first task is in', () => {
  it('the listeners of a process warning', async () => {
    const backend = newBuiltinBackend('node');
    const warned = once(process, 'warning').then(() => undefined);
    const seen: unknown[] = [];
    const note = (): void => void seen.push(context());
    process.once('warning', note);
    await inScope(backend, async () => {
      warn('a test', { code: 'SOCKSCOPE_TEST' });
    });
    await warned;
    expect(seen).toEqual([NONE]);
  });

  it('a shared look-up', async () => {
    const backend = newBuiltinBackend('node');
    const lookups = new SharedLookups<string>();
    const seen: unknown[] = [];
    let underWay: Lookup<string> | undefined;
    await inScope(backend, async () => {
      const answer = lookups.wait('key', 'a look-up', (lookup) => {
        seen.push(context());
        underWay = lookup;
        return { setWanted: () => true };
      });
      underWay?.succeed(() => 'answer');
      expect(await answer).toBe('answer');
    });
    expect(seen).toEqual([NONE]);
  });

  it("the events of a listener's net.Server", async () => {
    const backend = newBuiltinBackend('node');
    const seen: unknown[] = [];
    const { emit } = EventEmitter.prototype;
    vi.spyOn(Server.prototype as EventEmitter, 'emit').mockImplementation(function (
      this: EventEmitter,
      name,
      ...args: unknown[]
    ) {
      if (name === 'connection') seen.push(context());
      return emit.call(this, name, ...args);
    });
    const listeners: Awaited<ReturnType<AsyncBackend['createTcpListeners']>> = [];
    await inScope(backend, async () => {
      listeners.push(...(await backend.createTcpListeners('127.0.0.1', 0)));
    });
    const [listener] = listeners;
    const { port } = listener!.extra(SocketAttribute.localAddress) as { port: number };
    const client = await backend.createTcpConnection('127.0.0.1', port);
    const scope = backend.openCancelScope();
    await scope.run(() =>
      listener!.serve(async (connection) => {
        await connection.aclose();
        scope.cancel();
      }),
    );
    await client.aclose();
    await listener!.aclose();
    expect(seen).toEqual([NONE]);
  });

  it('the worker that starts for its call', async () => {
    const backend = newBuiltinBackend('node');
    const seen: unknown[] = [];
    const note = (): void => void seen.push(context());
    process.on('worker', note);
    try {
      await backend.bootstrap(() =>
        inScope(backend, () => backend.runInThread(threadFunction('add'), [1, 2])),
      );
    } finally {
      process.off('worker', note);
    }
    expect(seen).toEqual([NONE]);
  });

  it('a call that another thread makes through the handle, nor in its cancellation', async () => {
    const backend = newBuiltinBackend('node');
    const seen: unknown[] = [];
    await backend.bootstrap(async () => {
      const begun = backend.createEvent();
      const ended = backend.createEvent();
      const portal = backend.createThreadsPortal({
        forever: () =>
          backend.openCancelScope().run(async ({ signal }) => {
            signal.addEventListener('abort', () => {
              seen.push(context());
              ended.set();
            });
            begun.set();
            await backend.sleepForever();
          }),
      });
      await portal.run(async () => {
        const handles: OwnPortalHandle[] = [];
        await inScope(backend, async () => {
          handles.push(portal.handle() as OwnPortalHandle);
        });
        const { port } = handles[0]!;
        port.postMessage({ type: 'call', id: 1, name: 'forever', mode: 'coroutine', args: [] });
        await begun.wait();
        port.postMessage({ type: 'cancel', id: 1 });
        await ended.wait();
      });
    });
    expect(seen).toEqual([NONE]);
  });

  it('the pause of a listener that has met a limit', async () => {
    const backend = newBuiltinBackend('native');
    const native = nativeBinding();
    const real = native.accept;
    let failures = 1;
    vi.spyOn(native, 'accept').mockImplementation((fd) =>
      failures-- > 0 ? (native.constants['UV_EMFILE'] ?? 0) : real(fd),
    );
    const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
    const { port } = listener!.extra(SocketAttribute.localAddress) as { port: number };
    const client = await backend.createTcpConnection('127.0.0.1', port);
    const seen: unknown[] = [];
    const timeout = globalThis.setTimeout;
    vi.spyOn(globalThis, 'setTimeout').mockImplementation((...args: Parameters<typeof timeout>) => {
      seen.push(context());
      return timeout(...args);
    });
    const warned = once(process, 'warning');
    const scope = backend.openCancelScope();
    await user.run('of the server', () =>
      scope.run(() =>
        listener!.serve(async (connection) => {
          await connection.aclose();
          scope.cancel();
        }),
      ),
    );
    expect(((await warned) as [{ code?: string }])[0].code).toBe('SOCKSCOPE_ACCEPT');
    await client.aclose();
    await listener!.aclose();
    expect(seen.length).toBeGreaterThan(0);
    expect(seen).toEqual(seen.map(() => NONE));
  });
});

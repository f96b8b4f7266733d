import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nativeBinding } from '#lib/binding';
import {
  type AsyncListener,
  type AsyncStreamTransport,
  newBuiltinBackend,
  SocketAttribute,
} from '#lib/index';
import { expectNoLeaks } from '../../../support/fds';

expectNoLeaks();

const native = nativeBinding();
const backend = newBuiltinBackend('native');
const code = (name: string): number => native.constants[`UV_${name}`] ?? 0;

/** A listener whose accept(2) first returns each of these codes once, then the kernel's results. */
async function listenerThatFails(codes: readonly number[]): Promise<{
  listener: AsyncListener<AsyncStreamTransport>;
  connect: () => Promise<AsyncStreamTransport>;
  left: () => number;
}> {
  const queue = [...codes];
  const real = native.accept;
  vi.spyOn(native, 'accept').mockImplementation((fd) => queue.shift() ?? real(fd));
  const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
  const { port } = listener!.extra(SocketAttribute.localAddress) as { port: number };
  return {
    listener: listener!,
    connect: () => backend.createTcpConnection('127.0.0.1', port),
    left: () => queue.length,
  };
}

/** Serves until a connection has arrived, and closes the connection. */
async function serveOne(listener: AsyncListener<AsyncStreamTransport>): Promise<void> {
  const scope = backend.openCancelScope();
  await scope.run(() =>
    listener.serve(async (connection) => {
      await connection.aclose();
      scope.cancel();
    }),
  );
}

const warnings: (Error & { code?: string })[] = [];
const collect = (warning: Error & { code?: string }): void => void warnings.push(warning);

afterEach(() => {
  vi.restoreAllMocks();
  warnings.length = 0;
  process.off('warning', collect);
});

describe('serve', () => {
  it.each([
    'ECONNABORTED',
    'ECONNRESET',
    'EPERM',
    'EPROTO',
    'ENETDOWN',
    'EHOSTUNREACH',
    'ETIMEDOUT',
  ])('passes over a connection that failed with %s, without a word', async (name) => {
    process.on('warning', collect);
    const { listener, connect, left } = await listenerThatFails([code(name), code(name)]);
    const client = await connect();
    await serveOne(listener);
    expect(left()).toBe(0);
    await backend.coroYield();
    expect(warnings).toEqual([]);
    await client.aclose();
    await listener.aclose();
  });

  it.each(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'])(
    'survives %s: it warns once, pauses and goes on',
    async (name) => {
      process.on('warning', collect);
      const { listener, connect, left } = await listenerThatFails([code(name), code(name)]);
      const client = await connect();
      const start = backend.currentTime();
      await serveOne(listener);
      // Two pauses; a timer is never early.
      expect(backend.currentTime() - start).toBeGreaterThanOrEqual(198);
      expect(left()).toBe(0);
      expect(
        warnings.map(({ name: kind, code: which, message }) => [kind, which, message]),
      ).toEqual([
        ['SockscopeWarning', 'SOCKSCOPE_ACCEPT', `accept returned ${name}; retrying every 100 ms`],
      ]);
      await client.aclose();
      await listener.aclose();
    },
  );

  /** A listener that had served before, with connections that wait and were announced already. */
  async function waitingConnections(count: number): Promise<{
    listener: AsyncListener<AsyncStreamTransport>;
    end: () => Promise<void>;
  }> {
    process.on('warning', collect);
    const { listener, connect } = await listenerThatFails([]);
    const clients = [await connect()];
    await serveOne(listener);
    for (let i = 0; i < count; i++) clients.push(await connect());
    for (let turn = 0; turn < 5; turn++) await backend.coroYield();
    return {
      listener,
      end: async () => {
        for (const client of clients) await client.aclose();
        await listener.aclose();
      },
    };
  }

  it.each([64, 1])(
    'accepts all that waits after a pause, when the next step ends with %i connections',
    async (count) => {
      const { accept } = native;
      const { listener, end } = await waitingConnections(count + 10);
      // The calls that fail: the first one, and the one that ends the step after the pause.
      const failing = count < 64 ? [1, count + 2] : [1];
      let calls = 0;
      vi.mocked(native.accept).mockImplementation((fd) =>
        failing.includes(++calls) ? code('EMFILE') : accept(fd),
      );
      let handled = 0;
      const scope = backend.openCancelScope();
      await scope.run(() =>
        listener.serve(async (connection) => {
          await connection.aclose();
          if (++handled === count + 10) scope.cancel();
        }),
      );
      expect(handled).toBe(count + 10);
      await end();
    },
  );

  it('accepts the connections that waited through a pause in which serve was cancelled', async () => {
    const { listener, end } = await waitingConnections(1);
    vi.mocked(native.accept).mockImplementationOnce(() => code('EMFILE'));
    const scope = backend.openCancelScope();
    const serving = scope.run(() => listener.serve(() => undefined));
    await once(process, 'warning');
    scope.cancel();
    await serving;
    await serveOne(listener);
    await end();
  });

  it('pauses if the reactor has no fd for the listener, and goes on', async () => {
    process.on('warning', collect);
    const { listener, connect } = await listenerThatFails([]);
    vi.spyOn(native, 'watch').mockImplementationOnce(() => code('EMFILE'));
    const serving = serveOne(listener);
    await once(process, 'warning');
    const client = await connect();
    await serving;
    await client.aclose();
    await listener.aclose();
  });

  it('warns once of a shortage that comes and goes, and each listener for itself', async () => {
    process.on('warning', collect);
    for (const listeners of [1, 2]) {
      const { accept } = native;
      const { listener, connect } = await listenerThatFails([]);
      let calls = 0;
      vi.mocked(native.accept).mockImplementation((fd) =>
        calls++ % 2 === 0 ? code('EMFILE') : accept(fd),
      );
      for (let i = 0; i < 3; i++) {
        const client = await connect();
        await serveOne(listener);
        await client.aclose();
      }
      expect(warnings).toHaveLength(listeners);
      vi.restoreAllMocks();
      await listener.aclose();
    }
  });

  it('serves the connections that it has accepted before it pauses', async () => {
    const { accept } = native;
    const { listener, connect } = await listenerThatFails([]);
    const clients = [await connect(), await connect()];
    let calls = 0;
    vi.mocked(native.accept).mockImplementation((fd) =>
      ++calls === 2 ? code('EMFILE') : accept(fd),
    );
    let handled = 0;
    const scope = backend.openCancelScope();
    await scope.run(() =>
      listener.serve(async (connection) => {
        await connection.aclose();
        if (++handled === 2) scope.cancel();
      }),
    );
    expect(handled).toBe(2);
    for (const client of clients) await client.aclose();
    await listener.aclose();
  });

  it('pauses if one connection after the other fails, and goes on', async () => {
    process.on('warning', collect);
    const { listener, connect, left } = await listenerThatFails(
      Array.from({ length: 1030 }, () => code('ECONNABORTED')),
    );
    const client = await connect();
    await serveOne(listener);
    expect(left()).toBe(0);
    expect(warnings.map(({ message }) => message)).toEqual([
      'accept returned ECONNABORTED; retrying every 100 ms',
    ]);
    await client.aclose();
    await listener.aclose();
  });

  it('ends with any other error', async () => {
    const { listener, connect } = await listenerThatFails([code('EINVAL')]);
    const client = await connect();
    await expect(listener.serve(() => undefined)).rejects.toMatchObject({
      code: 'EINVAL',
      syscall: 'accept',
    });
    await client.aclose();
    await listener.aclose();
  });

  it('leaves no timer if it is cancelled during a pause', async () => {
    process.on('warning', collect);
    const { listener, connect } = await listenerThatFails([code('EMFILE')]);
    const client = await connect();
    const scope = backend.openCancelScope();
    const serving = scope.run(() => listener.serve(() => undefined));
    await once(process, 'warning');
    const timers = vi.spyOn(globalThis, 'clearTimeout');
    scope.cancel();
    await serving;
    expect(timers).toHaveBeenCalledTimes(1);
    await client.aclose();
    await listener.aclose();
  });
});

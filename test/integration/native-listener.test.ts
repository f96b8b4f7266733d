import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { connect as netConnect, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  type AsyncStreamTransport,
  ClosedResourceError,
  InvalidStateError,
  SocketAttribute,
} from '#lib/index';
import { openFdCount } from '../support/fds';
import {
  abstractSocketName,
  acceptOne,
  backend,
  connectTo,
  constant,
  expectCleanEnd,
  isPending,
  listen,
  listenTcp,
  portOf,
  python,
  pythonConnect,
  readExactly,
  rejection,
  shortSocketPath,
  STREAM_KINDS,
  track,
  turns,
  until,
} from './native-kit';

expectCleanEnd();

const echo = async (connection: AsyncStreamTransport): Promise<void> => {
  await using transport = connection;
  for (let data = await transport.recv(1024); data.length > 0; data = await transport.recv(1024))
    await transport.sendAll(data);
};

describe.each(STREAM_KINDS)('serve on a %s listener', (kind) => {
  it('runs a task for each connection, all at once, and ends with the handlers when cancelled', async () => {
    const { listener, target } = await listen(kind);
    const peer = python(`${pythonConnect}
target = hear(); sockets = [connect(target) for _ in range(20)]
for i, s in enumerate(sockets): s.sendall(b'%03d' % i)
say([s.recv(3).decode() for s in reversed(sockets)])
say([s.recv(3) == b'' for s in sockets].count(True))`);
    const tasks = new Set<number>();
    let ended = 0;
    await backend.createTaskGroup().run(async (group) => {
      group.startSoon(() =>
        listener.serve(async (connection) => {
          tasks.add(backend.getCurrentTask().id);
          try {
            await echo(connection);
          } finally {
            ended++;
          }
        }),
      );
      peer.tell(target);
      expect(await peer.hear()).toHaveLength(20);
      group.cancelScope.cancel();
    });
    expect(tasks.size).toBe(20);
    expect(ended).toBe(20);
    expect(await peer.hear()).toBe(20);
    expect(listener.isClosing()).toBe(false);
    await peer.end();
  });

  it('can be called again after it was cancelled, and then serves what has arrived', async () => {
    const { listener, target } = await listen(kind);
    const before = openFdCount();
    for (let round = 0; round < 5; round++) {
      const serving = backend.openCancelScope();
      const idle = serving.run(() => listener.serve(echo));
      expect(await isPending(idle)).toBe(true);
      serving.cancel();
      await idle;
      expect(serving.cancelledCaught()).toBe(true);
      const client = await connectTo(target);
      await client.sendAll(Buffer.from(`round ${round}`));
      const again = backend.openCancelScope();
      const served = again.run(() => listener.serve(echo));
      expect((await readExactly(client, 7)).toString()).toBe(`round ${round}`);
      await client.aclose();
      again.cancel();
      await served;
    }
    expect(openFdCount()).toBe(before);
  });

  it('starts handlers in a custom group, where they go on if only serve is cancelled', async () => {
    const { listener, target } = await listen(kind);
    await backend.createTaskGroup().run(async (handlers) => {
      const serving = backend.openCancelScope();
      const served = serving.run(() => listener.serve(echo, handlers));
      const client = await connectTo(target);
      await client.sendAll(Buffer.from('one'));
      await readExactly(client, 3);
      serving.cancel();
      await served;
      expect(serving.cancelledCaught()).toBe(true);
      await client.sendAll(Buffer.from('two'));
      expect((await readExactly(client, 3)).toString()).toBe('two');
      await client.aclose();
    });
  });

  it('rejects if the listener is closed, before or meanwhile, and cancels handlers', async () => {
    const { listener, target } = await listen(kind);
    let wasCancelled = false;
    const serving = listener.serve(async (connection) => {
      try {
        await connection.recv(1);
      } catch (error) {
        wasCancelled = error instanceof backend.getCancelledErrorClass();
        throw error;
      }
    });
    const outcome = rejection(serving);
    const client = await connectTo(target);
    await until(() => client.extra(SocketAttribute.socket).fd > 0);
    await turns(5);
    await listener.aclose();
    expect(await outcome).toBeInstanceOf(ClosedResourceError);
    expect(wasCancelled).toBe(true);
    expect(await client.recv(1)).toHaveLength(0);
    expect(await rejection(listener.serve(echo))).toBeInstanceOf(ClosedResourceError);
    expect(await rejection(connectTo(target))).toMatchObject({
      code: kind === 'tcp' ? 'ECONNREFUSED' : 'ENOENT',
    });
  });

  it('a handler that fails fails the group, cancels the others, and its connection is closed', async () => {
    const { listener, target } = await listen(kind);
    const before = openFdCount();
    let others = 0;
    const serving = listener.serve(async (connection) => {
      if ((await connection.recv(4)).length === 4) throw new Error('planted');
      try {
        await connection.recv(1);
      } finally {
        others++;
      }
    });
    const outcome = rejection(serving);
    const clients = [await connectTo(target), await connectTo(target), await connectTo(target)];
    await clients[0]!.sendAll(Buffer.from('a'));
    await clients[1]!.sendAll(Buffer.from('b'));
    await turns(5);
    await clients[2]!.sendAll(Buffer.from('fail'));
    const error = await outcome;
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors).toEqual([
      expect.objectContaining({ message: 'planted' }),
    ]);
    expect(others).toBe(2);
    for (const client of clients) {
      expect(await client.recv(1)).toHaveLength(0);
      await client.aclose();
    }
    expect(openFdCount()).toBe(before);
    // The listener is still usable: another serve works.
    expect(await acceptOneFrom(listener, target)).toBe(true);
  });

  it('leaks nothing if the group accepts no more tasks', async () => {
    const { listener, target } = await listen(kind);
    const before = openFdCount();
    const clients = await Promise.all([connectTo(target), connectTo(target), connectTo(target)]);
    const ended = backend.createTaskGroup();
    await ended.run(() => undefined);
    for (const group of [ended, backend.createTaskGroup()]) {
      expect(await rejection(listener.serve(echo, group))).toBeInstanceOf(InvalidStateError);
      const waiting = Promise.all([connectTo(target), connectTo(target)]);
      clients.push(...(await waiting));
    }
    expect(await rejection(listener.serve(echo, 'group' as never))).toBeInstanceOf(TypeError);
    expect(await rejection(listener.serve('handler' as never))).toBeInstanceOf(TypeError);
    for (const client of clients) await client.aclose();
    // Connections that were not accepted yet stay in the kernel's backlog.
    expect(openFdCount()).toBe(before);
  });

  it('skips connections that were reset before they were accepted', async () => {
    const { listener, target } = await listen(kind);
    const peer = python(`${pythonConnect}
target = hear()
for _ in range(30):
    s = connect(target); s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()
s = connect(target); s.sendall(b'alive'); say(s.recv(5).decode())`);
    peer.tell(target);
    const scope = backend.openCancelScope();
    const serving = scope.run(() =>
      listener.serve(async (connection) => {
        await using transport = connection;
        const data = await transport.recv(5).catch(() => new Uint8Array(0));
        if (data.length > 0) await transport.sendAll(data);
      }),
    );
    expect(await peer.hear()).toBe('alive');
    scope.cancel();
    await serving;
    await peer.end();
  });
});

async function acceptOneFrom(
  listener: Parameters<typeof acceptOne>[0],
  target: number | string,
): Promise<boolean> {
  const client = await connectTo(target);
  const accepted = await acceptOne(listener);
  await client.aclose();
  return (await accepted.recv(1)).length === 0;
}

describe('createTcpListeners', () => {
  it('listens on all interfaces of both families for null and for an empty host', async () => {
    for (const host of [null, '']) {
      const listeners = (await backend.createTcpListeners(host, 0)).map(track);
      expect(listeners.map((listener) => listener.extra(SocketAttribute.localAddress))).toEqual([
        { address: '0.0.0.0', family: 'IPv4', port: expect.any(Number) as number },
        { address: '::', family: 'IPv6', port: expect.any(Number) as number },
      ]);
      expect(listeners.map((listener) => listener.extra(SocketAttribute.family))).toEqual([
        constant('AF_INET'),
        constant('AF_INET6'),
      ]);
      for (const [index, address] of ['127.0.0.1', '::1'].entries()) {
        const client = netConnect(portOf(listeners[index]!), address);
        await acceptOne(listeners[index]!);
        client.destroy();
      }
      for (const listener of listeners) await listener.aclose();
    }
  });

  it('listens once on each distinct address, IPv4 first', async () => {
    const listeners = (
      await backend.createTcpListeners(['::1', '127.0.0.1', '127.0.0.1', '127.0.0.2'], 0)
    ).map(track);
    const addresses = listeners.map(
      (listener) => (listener.extra(SocketAttribute.localAddress) as { address: string }).address,
    );
    expect(addresses).toEqual(['127.0.0.1', '127.0.0.2', '::1']);
  });

  it('binds all addresses or none, and the error of a port in use has its address', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const before = openFdCount();
    const error = await rejection(backend.createTcpListeners(['127.0.0.2', '127.0.0.1'], port));
    expect(error).toMatchObject({
      code: 'EADDRINUSE',
      syscall: 'bind',
      address: '127.0.0.1',
      port,
    });
    expect(await rejection(backend.createTcpListeners('192.0.2.1', 0))).toMatchObject({
      code: 'EADDRNOTAVAIL',
      address: '192.0.2.1',
    });
    const both = await rejection(backend.createTcpListeners(['127.0.0.1', '192.0.2.1'], port));
    expect(both).toBeInstanceOf(AggregateError);
    expect(both.message).toContain('Error when trying to create listeners');
    expect((both as AggregateError).errors.map((one: { code: string }) => one.code)).toEqual([
      'EADDRINUSE',
      'EADDRNOTAVAIL',
    ]);
    expect(openFdCount()).toBe(before);
    taken.close();
    await once(taken, 'close');
  });

  it('shares a port with reusePort only', async () => {
    const first = track(
      (await backend.createTcpListeners('127.0.0.1', 0, { reusePort: true }))[0]!,
    );
    const second = track(
      (await backend.createTcpListeners('127.0.0.1', portOf(first), { reusePort: true }))[0]!,
    );
    expect(portOf(second)).toBe(portOf(first));
    expect(await rejection(backend.createTcpListeners('127.0.0.1', portOf(first)))).toMatchObject({
      code: 'EADDRINUSE',
    });
  });

  it('can bind a port again at once, while old connections are in TIME_WAIT', async () => {
    const first = await listenTcp();
    const port = portOf(first);
    const client = await connectTo(port);
    const accepted = await acceptOne(first);
    await accepted.aclose();
    await client.recv(1);
    await client.aclose();
    await first.aclose();
    const second = await listenTcp('127.0.0.1', port);
    expect(portOf(second)).toBe(port);
  });

  it('rejects values that are no host, port or backlog', async () => {
    for (const host of [5, undefined, [], ['127.0.0.1', 5], {}]) {
      expect(await rejection(backend.createTcpListeners(host as never, 0))).toBeInstanceOf(
        TypeError,
      );
    }
    for (const port of [-1, 65536, 1.5, NaN])
      expect(await rejection(backend.createTcpListeners('127.0.0.1', port))).toBeInstanceOf(
        RangeError,
      );
    for (const backlog of [0, -1, 1.5]) {
      expect(
        await rejection(backend.createTcpListeners('127.0.0.1', 0, { backlog })),
      ).toBeInstanceOf(RangeError);
      expect(
        await rejection(backend.createUnixStreamListener(shortSocketPath(), { backlog })),
      ).toBeInstanceOf(RangeError);
    }
  });
});

describe('createUnixStreamListener', () => {
  it('removes its file when it is closed, but not a file that replaced it', async () => {
    const path = shortSocketPath();
    const first = await backend.createUnixStreamListener(path);
    expect(statSync(path).isSocket()).toBe(true);
    await first.aclose();
    expect(existsSync(path)).toBe(false);

    const second = await backend.createUnixStreamListener(path);
    unlinkSync(path);
    const third = await backend.createUnixStreamListener(path);
    await second.aclose();
    expect(existsSync(path)).toBe(true);
    unlinkSync(path);
    writeFileSync(path, 'not a socket');
    await third.aclose();
    expect(existsSync(path)).toBe(true);
    unlinkSync(path);
  });

  it('removes its file also after the working directory has changed', async () => {
    const folder = shortSocketPath();
    mkdirSync(folder);
    const before = process.cwd();
    // A worker thread cannot change the working directory. This file runs in its own process.
    process.chdir(folder);
    const listeners = [
      await backend.createUnixStreamListener('relative'),
      await backend.createUnixStreamListener(Buffer.from('bytes')),
    ];
    process.chdir(before);
    expect(existsSync(`${folder}/relative`) && existsSync(`${folder}/bytes`)).toBe(true);
    for (const listener of listeners) await listener.aclose();
    expect(existsSync(`${folder}/relative`) || existsSync(`${folder}/bytes`)).toBe(false);
    rmSync(folder, { recursive: true });
  });

  it('does not remove the file of a socket that was detached', async () => {
    const path = shortSocketPath();
    const listener = await backend.createUnixStreamListener(path);
    const fd = listener.extra(SocketAttribute.socket).detach();
    await listener.aclose();
    expect(existsSync(path)).toBe(true);
    const adopted = track(await backend.wrapListenerSocket(fd));
    const client = await connectTo(path);
    await acceptOne(adopted);
    await client.aclose();
  });

  it.each(['createUnixStreamListener', 'createUnixDatagramListener'] as const)(
    '%s sets the given mode of the file, whatever the umask is',
    async (create) => {
      const before = process.umask(0o077);
      for (const mode of [0o600, 0o660, 0o777, 0o000]) {
        const path = shortSocketPath();
        const listener = track(await backend[create](path, { mode }));
        expect(statSync(path).mode & 0o7777).toBe(mode);
        await listener.aclose();
      }
      process.umask(before);
      expect(await rejection(backend[create](shortSocketPath(), { mode: 0o10000 }))).toBeInstanceOf(
        RangeError,
      );
    },
  );

  it.each(['createUnixStreamListener', 'createUnixDatagramListener'] as const)(
    '%s reports a stale file in its own words, and leaves nothing behind after any failure',
    async (create) => {
      const path = shortSocketPath();
      python(`s = socket.socket(socket.AF_UNIX); s.bind(${JSON.stringify(path)}); os._exit(0)`);
      await until(() => existsSync(path));
      const before = openFdCount();
      const error = await rejection(backend[create](path));
      expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'bind', path });
      expect(error.message).toMatch(
        /the file exists: .* remove the file if no process listens there/,
      );
      expect(existsSync(path)).toBe(true);
      expect(await rejection(backend[create]('/nonexistent/socket'))).toMatchObject({
        code: 'ENOENT',
        path: '/nonexistent/socket',
      });
      expect(await rejection(backend[create]('x'.repeat(200)))).toMatchObject({
        code: 'ENAMETOOLONG',
        syscall: 'bind',
      });
      const name = abstractSocketName();
      const taken = track(await backend[create](name));
      const inUse = await rejection(backend[create](name));
      expect(inUse).toMatchObject({ code: 'EADDRINUSE' });
      expect(inUse.message).not.toContain('file');
      await taken.aclose();
      for (const wrong of [5, null, undefined, {}])
        expect(await rejection(backend[create](wrong as never))).toBeInstanceOf(TypeError);
      expect(await rejection(backend[create]('a\0b'))).toBeInstanceOf(TypeError);
      expect(openFdCount()).toBe(before);
    },
  );

  it('gets an abstract name from Linux for an empty path', async () => {
    const listener = track(await backend.createUnixStreamListener(''));
    const name = listener.extra(SocketAttribute.localAddress) as string;
    expect(name).toMatch(/^\0[0-9a-f]+$/);
    const client = await connectTo(name);
    await acceptOne(listener);
    await client.aclose();
  });
});

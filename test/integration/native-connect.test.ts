import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { BusyResourceError, type InetAddress, Socket, SocketAttribute } from '#lib/index';
import { openFdCount } from '../support/fds';
import {
  abstractSocketName,
  atEnd,
  backend,
  constant,
  expectCleanEnd,
  isPending,
  netServer,
  python,
  readExactly,
  rejection,
  shortSocketPath,
  track,
  until,
} from './native-kit';

expectCleanEnd();

/** A port without a listener, which no other process can get during the test. */
async function refusingPort(host = '127.0.0.1'): Promise<number> {
  const family = host.includes(':') ? 'AF_INET6' : 'AF_INET';
  const bound = Socket.create(constant(family), constant('SOCK_STREAM'));
  bound.bind({ address: host, port: 0, family: family === 'AF_INET' ? 'IPv4' : 'IPv6' });
  atEnd(() => {
    bound.close();
  });
  return (bound.localAddress() as InetAddress).port;
}

describe('createTcpConnection', () => {
  it('rejects with ECONNREFUSED, and the error has the address and port', async () => {
    const port = await refusingPort();
    const before = openFdCount();
    expect(await rejection(backend.createTcpConnection('127.0.0.1', port))).toMatchObject({
      code: 'ECONNREFUSED',
      errno: -111,
      syscall: 'connect',
      address: '127.0.0.1',
      port,
      message: `connect ECONNREFUSED 127.0.0.1:${port}: connection refused`,
    });
    expect(openFdCount()).toBe(before);
  });

  it('rejects with the error and the address of a host that cannot be reached', async () => {
    // Only a separate network namespace has no route, and this process cannot enter one. The kernel
    // refuses these addresses in any namespace:
    const error = await rejection(backend.createTcpConnection('255.255.255.255', 9));
    expect(error).toMatchObject({
      code: expect.stringMatching(/^(ENETUNREACH|EACCES|EHOSTUNREACH)$/) as string,
      syscall: 'connect',
      port: 9,
    });
  });

  it('binds the local address that was given', async () => {
    const { target } = await netServer('tcp', (socket) =>
      socket.end(`${socket.remoteAddress ?? ''} ${socket.remotePort ?? ''}`),
    );
    const free = await refusingPort('127.0.0.3');
    const transport = track(
      await backend.createTcpConnection('127.0.0.1', target as number, {
        localAddress: { host: '127.0.0.2', port: 0 },
      }),
    );
    const { port } = transport.extra(SocketAttribute.localAddress) as InetAddress;
    expect(port).not.toBe(free);
    const text = `127.0.0.2 ${port}`;
    expect((await readExactly(transport, text.length)).toString()).toBe(text);
  });

  it('rejects with the reason if the local address cannot be bound', async () => {
    const { target } = await netServer('tcp', () => undefined);
    const connect = (host: string, port = 0): Promise<Error> =>
      rejection(
        backend.createTcpConnection('127.0.0.1', target as number, {
          localAddress: { host, port },
        }),
      );
    const taken = await refusingPort();
    const before = openFdCount();
    expect(await connect('192.0.2.1')).toMatchObject({
      code: 'EADDRNOTAVAIL',
      syscall: 'bind',
      address: '192.0.2.1',
    });
    expect(await connect('::1')).toMatchObject({
      code: 'EADDRNOTAVAIL',
      syscall: 'bind',
      message: expect.stringContaining('no matching local address with family=') as string,
    });
    expect(await connect('127.0.0.1', taken)).toMatchObject({
      code: 'EADDRINUSE',
      syscall: 'bind',
      port: taken,
    });
    expect(openFdCount()).toBe(before);
  });

  it('rejects values that are no host, port or delay', async () => {
    for (const host of ['', 5, null, undefined])
      expect(await rejection(backend.createTcpConnection(host as never, 1))).toBeInstanceOf(
        TypeError,
      );
    for (const port of [-1, 65536, NaN])
      expect(await rejection(backend.createTcpConnection('127.0.0.1', port))).toBeInstanceOf(
        RangeError,
      );
    for (const happyEyeballsDelay of [-1, NaN]) {
      expect(
        await rejection(backend.createTcpConnection('127.0.0.1', 1, { happyEyeballsDelay })),
      ).toBeInstanceOf(RangeError);
    }
    expect(
      await rejection(
        backend.createTcpConnection('127.0.0.1', 1, {
          localAddress: { host: '127.0.0.1', port: -1 },
        }),
      ),
    ).toBeInstanceOf(RangeError);
  });
});

describe('createTcpConnection to a name with addresses of both families', () => {
  const both = 'localhost';

  /** Listens on some of the addresses of localhost, all on one port. */
  async function serveOn(hosts: readonly string[]): Promise<number> {
    let port = 0;
    for (const host of hosts) {
      const server = createServer((socket) => socket.end(host)).listen(port, host);
      await once(server, 'listening');
      ({ port } = server.address() as { port: number });
      atEnd(async () => {
        server.close();
        await once(server, 'close');
      });
    }
    return port;
  }

  async function addressesOf(name: string): Promise<string[]> {
    const found = await backend.getaddrinfo(name, 0, { type: constant('SOCK_STREAM') });
    return found.map(({ address }) => address.address);
  }

  it.each(['127.0.0.1', '::1'])(
    'connects to the one that listens, %s, and leaves no other socket open',
    async (host) => {
      if (!(await addressesOf(both)).includes(host)) return;
      const port = await serveOn([host]);
      const before = openFdCount();
      const transport = await backend.createTcpConnection(both, port);
      expect((await readExactly(transport, host.length)).toString()).toBe(host);
      await transport.aclose();
      await until(() => openFdCount() <= before, 'the fds to go');
    },
  );

  it('reports every address that refused', async () => {
    const addresses = await addressesOf(both);
    const port = await refusingPort();
    const error = await rejection(backend.createTcpConnection(both, port));
    expect(error).toMatchObject({ code: 'ECONNREFUSED' });
    if (addresses.length > 1)
      expect((error as AggregateError).errors).toHaveLength(addresses.length);
  });
});

describe('createUnixStreamConnection', () => {
  it('rejects for a missing file, a file without a listener, and a long path', async () => {
    const path = shortSocketPath();
    const before = openFdCount();
    expect(await rejection(backend.createUnixStreamConnection(path))).toMatchObject({
      code: 'ENOENT',
      syscall: 'connect',
      path,
    });
    python(`s = socket.socket(socket.AF_UNIX); s.bind(${JSON.stringify(path)}); os._exit(0)`);
    await until(() => existsSync(path));
    const refused = await rejection(untilRefused(path));
    expect(refused).toMatchObject({ code: 'ECONNREFUSED', path });
    const long = `/${'x'.repeat(150)}`;
    expect(await rejection(backend.createUnixStreamConnection(long))).toMatchObject({
      code: 'ENAMETOOLONG',
      path: long,
    });
    expect(await rejection(backend.createUnixStreamConnection(Buffer.from(long)))).toMatchObject({
      code: 'ENAMETOOLONG',
      path: long,
    });
    const name = abstractSocketName();
    expect(await rejection(backend.createUnixStreamConnection(name))).toMatchObject({
      code: 'ECONNREFUSED',
      path: name,
    });
    for (const wrong of [5, null, undefined])
      expect(await rejection(backend.createUnixStreamConnection(wrong as never))).toBeInstanceOf(
        TypeError,
      );
    await until(() => openFdCount() <= before, 'the fds to go');
  });

  it('leaves no file of its local path behind when it fails or is cancelled', async () => {
    const [theirs, ours] = [shortSocketPath(), shortSocketPath()];
    for (let round = 0; round < 2; round++) {
      expect(
        await rejection(backend.createUnixStreamConnection(theirs, { localPath: ours })),
      ).toMatchObject({
        code: 'ENOENT',
        path: theirs,
      });
      expect(existsSync(ours)).toBe(false);
    }
    expect(
      await rejection(backend.createUnixDatagramEndpoint(theirs, { localPath: ours })),
    ).toMatchObject({
      code: 'ENOENT',
      path: theirs,
    });
    expect(existsSync(ours)).toBe(false);
  });

  it('waits while the backlog is full, and connects when it has room', async () => {
    const path = shortSocketPath();
    const peer = python(`
l = socket.socket(socket.AF_UNIX); l.bind(${JSON.stringify(path)}); l.listen(0); say('listening')
accepted = []
while True:
    hear(); accepted.append(l.accept()[0]); say(len(accepted))`);
    await peer.hear();
    const first = track(await backend.createUnixStreamConnection(path));
    const ours = shortSocketPath();
    const cancelled = backend.openCancelScope();
    const abandoned = cancelled.run(() =>
      backend.createUnixStreamConnection(path, { localPath: ours }),
    );
    const second = backend.createUnixStreamConnection(path);
    expect(await isPending(second)).toBe(true);
    expect(existsSync(ours)).toBe(true);
    cancelled.cancel();
    expect(await abandoned).toBeUndefined();
    expect(existsSync(ours)).toBe(false);
    peer.tell(1);
    track(await second);
    expect(first.isClosing()).toBe(false);
  });
});

/** Polls, since the python process may still be exiting. */
async function untilRefused(path: string): Promise<never> {
  for (;;) {
    const transport = await backend.createUnixStreamConnection(path);
    await transport.aclose();
    await backend.sleep(5);
  }
}

describe('the Socket under a transport', () => {
  it('rejects a wait while the transport receives, and the other way round', async () => {
    const { target } = await netServer('tcp', () => undefined);
    const transport = track(await backend.createTcpConnection('127.0.0.1', target as number));
    const socket = transport.extra(SocketAttribute.socket);
    const scope = backend.openCancelScope();
    const waiting = scope.run(() => transport.recv(1));
    expect(await rejection(socket.readable())).toBeInstanceOf(BusyResourceError);
    scope.cancel();
    await waiting;
    const ready = scope.cancelledCaught()
      ? backend.moveOnAfter(5).run(() => socket.readable())
      : Promise.resolve();
    expect(await rejection(transport.recv(1))).toBeInstanceOf(BusyResourceError);
    await ready;
  });
});

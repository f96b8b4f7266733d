import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { BuiltinBackendName } from '#lib/index';
import { run } from '../support/child';

// The programs run in a namespace with a network and an /etc/hosts of its own (namespaces(7)):
// names with addresses of both families, and addresses without a route.
const canUnshare =
  process.platform === 'linux' && spawnSync('unshare', ['-rmn', 'ip', 'link']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'ss-'));
const hosts = join(folder, 'hosts');
writeFileSync(
  hosts,
  '127.0.0.1 localhost both four alias\n::1 localhost both six\n192.0.2.1 far\n',
);
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function inNamespace(
  program: string,
  setUp = 'true',
  name: BuiltinBackendName = 'native',
): Promise<unknown> {
  const source = `
import { constants, newBuiltinBackend, Socket, SocketAttribute } from 'sockscope';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
const backend = newBuiltinBackend('${name}');
const isSocket = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd).startsWith('socket:'); } catch { return false; } };
const openFds = () => readdirSync('/proc/self/fd').filter(isSocket).length;
const listen = async (host, port = 0) => {
  const server = createServer((socket) => socket.on('error', () => socket.destroy()).end(host)).listen(port, host);
  await once(server, 'listening');
  return server;
};
const read = async (connection) => { const data = await connection.recv(100); await connection.aclose(); return Buffer.from(data).toString(); };
const failure = (promise) => promise.then(() => 'no error', (error) => ({ name: error.name, code: error.code, errors: error.errors?.map(({ code, address }) => [code, address]), address: error.address, hostname: error.hostname, syscall: error.syscall }));
const print = (value) => console.log(JSON.stringify(value));
/** A listener whose backlog is full: every further connection waits. */
const fullListener = async (host, port) => {
  const listener = Socket.create(constants.AF_INET6, constants.SOCK_STREAM);
  listener.bind({ address: host, port, family: 'IPv6' });
  listener.listen(0);
  const waiting = [];
  for (let i = 0; i < 2; i++) {
    const socket = Socket.create(constants.AF_INET6, constants.SOCK_STREAM);
    socket.connect({ address: host, port, family: 'IPv6' });
    waiting.push(socket);
  }
  await backend.sleep(20);
  return () => [listener, ...waiting].forEach((socket) => socket.close());
};
${program}`;
  const script = `mount --bind "$0" /etc/hosts && ip link set lo up && ${setUp} && exec "$1" --input-type=module -e "$2"`;
  const outcome = await run('unshare', {
    args: ['-rmn', 'sh', '-c', script, hosts, process.execPath, source],
  });
  expect(outcome, outcome.stderr).toMatchObject({ code: 0, stderr: '' });
  return JSON.parse(outcome.stdout);
}

describe.skipIf(!canUnshare)(
  'createTcpConnection to a name with addresses of both families',
  () => {
    it('prefers IPv6, and falls back at once to the family that listens', async () => {
      const result = await inNamespace(`
const results = [];
const v4 = await listen('127.0.0.1'); const { port } = v4.address();
results.push(await read(await backend.createTcpConnection('both', port, { happyEyeballsDelay: Infinity })));
const v6 = await listen('::1', port);
results.push(await read(await backend.createTcpConnection('both', port)));
v4.close();
results.push(await read(await backend.createTcpConnection('both', port)));
results.push(await read(await backend.createTcpConnection('localhost', port)));
v6.close();
print(results);`);
      expect(result).toEqual(['127.0.0.1', '::1', '::1', '::1']);
    });

    it('gives an address that hangs its head start only, and closes the socket of the loser', async () => {
      const result = await inNamespace(`
const v4 = await listen('127.0.0.1'); const { port } = v4.address();
const close = await fullListener('::1', port);
const before = openFds();
const start = backend.currentTime();
const connection = await backend.createTcpConnection('both', port, { happyEyeballsDelay: 60 });
const waited = backend.currentTime() - start >= 55;
const fds = openFds() - before;
const text = await read(connection);
// Without a next attempt, only a cancellation ends the wait. It closes everything.
const cancelled = await backend.moveOnAfter(100).run(() => backend.createTcpConnection('both', port, { happyEyeballsDelay: Infinity }));
await backend.sleep(20);
print({ waited, fds, text, cancelled: cancelled === undefined, left: openFds() - before <= 0 });
close(); v4.close();`);
      // One socket of the client, and one of the server, which is in the same process.
      expect(result).toMatchObject({
        waited: true,
        text: '127.0.0.1',
        cancelled: true,
        left: true,
      });
      expect((result as { fds: number }).fds).toBeLessThanOrEqual(2);
    });

    it('reports every refusal, and binds only a local address of the same family', async () => {
      const result = await inNamespace(`
const server = await listen('127.0.0.1'); const { port } = server.address();
const local = await backend.createTcpConnection('both', port, { localAddress: { host: '127.0.0.1', port: 0 } });
const bound = local.extra(SocketAttribute.localAddress).address;
await local.aclose();
const udp = await backend.createUdpEndpoint('both', port, { localAddress: { host: '127.0.0.1', port: 0 } });
const udpBound = udp.extra(SocketAttribute.localAddress).address;
await udp.aclose();
server.close(); await once(server, 'close');
print({ bound, udpBound, refused: await failure(backend.createTcpConnection('both', port)), single: await failure(backend.createTcpConnection('four', port)) });`);
      expect(result).toMatchObject({
        bound: '127.0.0.1',
        udpBound: '127.0.0.1',
        refused: {
          name: 'AggregateError',
          code: 'ECONNREFUSED',
          errors: [
            ['ECONNREFUSED', '::1'],
            ['ECONNREFUSED', '127.0.0.1'],
          ],
        },
        single: { name: 'Error', code: 'ECONNREFUSED', address: '127.0.0.1' },
      });
    });

    it('fails with the address that cannot be reached', async () => {
      const result = await inNamespace(
        `print([await failure(backend.createTcpConnection('192.0.2.1', 80)), await failure(backend.createUdpEndpoint('192.0.2.1', 80))]);`,
      );
      expect(result).toMatchObject([
        { code: 'ENETUNREACH', address: '192.0.2.1', syscall: 'connect' },
        { code: 'ENETUNREACH', address: '192.0.2.1' },
      ]);
    });
  },
);

describe.skipIf(!canUnshare).each(['native', 'node'] as const)(
  'createTcpListeners of a name (%s)',
  (backend) => {
    const listenOn = `const describe = async (host) => {
  const listeners = await backend.createTcpListeners(host, 0);
  const found = listeners.map((listener) => listener.extra(SocketAttribute.localAddress).address);
  for (const listener of listeners) await listener.aclose();
  return found;
};`;

    it('listens on all addresses of the name, and rejects if the name has none', async () => {
      const result = await inNamespace(
        `${listenOn}
print([await describe('both'), await describe(['four', '127.0.0.1', 'alias']), await failure(backend.createTcpListeners('nobody-knows.invalid', 0))]);`,
        undefined,
        backend,
      );
      expect(result).toEqual([
        ['127.0.0.1', '::1'],
        ['127.0.0.1'],
        expect.objectContaining({ hostname: 'nobody-knows.invalid', syscall: 'getaddrinfo' }),
      ]);
    });

    it('passes over an address of a name that this machine does not have, but not an address that the caller named', async () => {
      const result = await inNamespace(
        `${listenOn}
print([await describe('both'), (await failure(backend.createTcpListeners(['both', '::1'], 0))).code, (await failure(backend.createTcpListeners('six', 0))).code]);`,
        'ip -6 addr del ::1/128 dev lo',
        backend,
      );
      expect(result).toEqual([['127.0.0.1'], 'EADDRNOTAVAIL', 'EADDRNOTAVAIL']);
    });
  },
);

describe.skipIf(!canUnshare)('getaddrinfo and getnameinfo', () => {
  it('take all hints and flags, and return full results', async () => {
    const result = await inNamespace(`
const { AF_INET, AF_INET6, SOCK_STREAM, SOCK_DGRAM, AI_CANONNAME, AI_NUMERICHOST, AI_PASSIVE, NI_NUMERICHOST, NI_NUMERICSERV, NI_NAMEREQD, IPPROTO_TCP } = constants;
const addresses = async (...args) => (await backend.getaddrinfo(...args)).map(({ address }) => address.address);
const [named] = await backend.getaddrinfo('alias', 80, { type: SOCK_STREAM, flags: AI_CANONNAME });
print({
  named: { ...named, family: named.family === AF_INET, type: named.type === SOCK_STREAM, proto: named.proto === IPPROTO_TCP },
  six: await addresses('both', 80, { family: AF_INET6, type: SOCK_STREAM }),
  types: new Set((await backend.getaddrinfo('four', null)).map(({ type }) => type)).size,
  passive: await addresses(null, 80, { family: AF_INET, type: SOCK_STREAM, flags: AI_PASSIVE }),
  loopback: await addresses(null, 80, { family: AF_INET, type: SOCK_STREAM }),
  zone: (await backend.getaddrinfo('fe80::1%lo', 1, { type: SOCK_STREAM }))[0].address.scopeId,
  notNumeric: await failure(backend.getaddrinfo('both', 80, { flags: AI_NUMERICHOST })),
  unknown: (await failure(backend.getaddrinfo('nobody-knows.invalid', 80))).hostname,
  port: (await backend.getaddrinfo('127.0.0.1', '8080', { type: SOCK_DGRAM }))[0].address.port,
  name: await backend.getnameinfo({ address: '192.0.2.1', port: 4321, family: 'IPv4' }, NI_NUMERICSERV),
  numeric: await backend.getnameinfo({ address: '::1', port: 4321, family: 'IPv6' }, NI_NUMERICHOST | NI_NUMERICSERV),
  nameless: (await failure(backend.getnameinfo({ address: '198.51.100.1', port: 1, family: 'IPv4' }, NI_NAMEREQD))).syscall,
});`);
    expect(result).toEqual({
      named: {
        family: true,
        type: true,
        proto: true,
        canonname: 'localhost',
        address: { address: '127.0.0.1', port: 80, family: 'IPv4' },
      },
      six: ['::1'],
      types: 3,
      passive: ['0.0.0.0'],
      loopback: ['127.0.0.1'],
      zone: 1,
      notNumeric: expect.objectContaining({
        code: 'ENOTFOUND',
        hostname: 'both',
        syscall: 'getaddrinfo',
      }) as unknown,
      unknown: 'nobody-knows.invalid',
      port: 8080,
      name: ['far', '4321'],
      numeric: ['::1', '4321'],
      nameless: 'getnameinfo',
    });
  });

  it('do not block the loop, and cancellation ends the wait at once', async () => {
    const result = await inNamespace(`
const names = Array.from({ length: 20 }, (_, i) => 'both');
let ticks = 0;
const ticker = setInterval(() => ticks++, 1);
const scope = backend.openCancelScope();
const abandoned = scope.run(() => backend.getaddrinfo('four', 1));
scope.cancel();
const left = await abandoned;
const found = await Promise.all(names.map((name) => backend.getaddrinfo(name, 80, { type: constants.SOCK_STREAM })));
clearInterval(ticker);
print({ left: left === undefined, found: found.every((list) => list.length === 2), own: new Set(found).size });`);
    expect(result).toEqual({ left: true, found: true, own: 20 });
  });
});

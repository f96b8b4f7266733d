import type { InetAddress } from '../contract/addresses';
import assert from 'node:assert/strict';
import { chmodSync, existsSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { SocketAttribute } from '../transports/attributes';
import type { AsyncBaseTransport } from '../contract/transports';
import { BAD_RANGE, BAD_TYPE, CANCELLED, rejectsWith, UNSUPPORTED } from './expectations';
import { defineSuite, lacks, type Scenario } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';
import { portOf, rawConnect, rawServer } from './stream-peer';

function addressOf(listener: AsyncBaseTransport): InetAddress {
  return listener.extra(SocketAttribute.localAddress) as InetAddress;
}

/** Defines the tests of binding: hosts, ports and their errors for TCP and UDP; socket files. */
export function testListening(runner: TestRunner, subject: ConformanceSubject): void {
  for (const transport of ['TCP', 'UDP'] as const) {
    defineSuite(runner, subject, `listening on ${transport}`, (test) => {
      const listen = async (
        { backend }: Scenario,
        host: string | readonly string[] | null,
        port: number,
        options?: { reusePort?: boolean },
      ): Promise<AsyncBaseTransport[]> =>
        transport === 'TCP'
          ? backend.createTcpListeners(host, port, options)
          : backend.createUdpListeners(host, port, options);
      const listenAndOwn = async (
        scenario: Scenario,
        ...args: [string | readonly string[] | null, number, { reusePort?: boolean }?]
      ): Promise<AsyncBaseTransport[]> =>
        (await listen(scenario, ...args)).map((listener) => scenario.own(listener));

      test('null and the empty string listen on every interface, and each family has its own port', async (scenario) => {
        for (const host of [null, '']) {
          const listeners = await listenAndOwn(scenario, host, 0);
          const addresses = listeners.map(addressOf);
          const wildcards = addresses.map(({ address }) => address);
          assert.ok(wildcards.includes('0.0.0.0'), String(wildcards));
          assert.ok(
            wildcards.every((address) => address === '0.0.0.0' || address === '::'),
            String(wildcards),
          );
          assert.equal(new Set(wildcards).size, wildcards.length);
          for (const { port } of addresses) assert.ok(port > 0);
        }
      });

      test('a list of hosts is a listener for each distinct address', async (scenario) => {
        const listeners = await listenAndOwn(scenario, ['127.0.0.1', '127.0.0.1', '127.0.0.2'], 0);
        assert.deepEqual(
          listeners.map((listener) => addressOf(listener).address),
          ['127.0.0.1', '127.0.0.2'],
        );
        for (const listener of listeners)
          assert.equal(listener.extra(SocketAttribute.family), scenario.constant('AF_INET'));
      });

      test('an address in use is EADDRINUSE, and what was bound beside it is closed', async (scenario) => {
        const [first] = await listenAndOwn(scenario, '127.0.0.1', 0);
        assert.ok(first !== undefined);
        const { port } = addressOf(first);
        const error = await rejectsWith<NodeJS.ErrnoException & { port?: number }>(
          'EADDRINUSE',
          () => listen(scenario, ['127.0.0.2', '127.0.0.1'], port),
        );
        assert.ok(error.errno !== undefined && error.errno < 0);
        assert.equal(error.port, port);
        const [second] = await listenAndOwn(scenario, '127.0.0.2', port);
        assert.ok(second !== undefined);
      });

      test('several failures are one AggregateError', async (scenario) => {
        const listeners = await listenAndOwn(scenario, ['127.0.0.1'], 0);
        assert.ok(listeners[0] !== undefined);
        const { port } = addressOf(listeners[0]);
        await listenAndOwn(scenario, '127.0.0.2', port);
        await assert.rejects(
          listen(scenario, ['127.0.0.1', '127.0.0.2'], port),
          (error: AggregateError & { code: string }) => {
            assert.ok(error instanceof AggregateError);
            assert.deepEqual(
              error.errors.map(({ code }: { code: string }) => code),
              ['EADDRINUSE', 'EADDRINUSE'],
            );
            assert.equal(error.code, 'EADDRINUSE');
            return true;
          },
        );
      });

      test('an address that is not of this machine is EADDRNOTAVAIL', async (scenario) => {
        // Of TEST-NET-1 (RFC 5737).
        await rejectsWith('EADDRNOTAVAIL', () => listen(scenario, '192.0.2.1', 0));
      });

      test('a port can be shared with reusePort, or the backend says that it cannot', async (scenario) => {
        if (lacks(subject, 'port sharing')) {
          await rejectsWith(UNSUPPORTED, () =>
            listen(scenario, '127.0.0.1', 0, { reusePort: true }),
          );
          return;
        }
        const [first] = await listenAndOwn(scenario, '127.0.0.1', 0, { reusePort: true });
        assert.ok(first !== undefined);
        const [second] = await listenAndOwn(scenario, '127.0.0.1', addressOf(first).port, {
          reusePort: true,
        });
        assert.ok(second !== undefined);
        assert.equal(addressOf(second).port, addressOf(first).port);
      });

      test('rejects invalid hosts and ports', async (scenario) => {
        for (const host of [5, {}, [], [5], ['127.0.0.1', undefined]])
          await rejectsWith(BAD_TYPE, () => listen(scenario, host as never, 0));
        for (const port of [-1, 65536, 1.5, NaN])
          await rejectsWith(BAD_RANGE, () => listen(scenario, '127.0.0.1', port));
        await rejectsWith(BAD_TYPE, () => listen(scenario, '127.0.0.1', '80' as unknown as number));
      });

      test('a host that cannot be resolved rejects with the error of the resolver', async (scenario) => {
        // Too long to be looked up.
        await assert.rejects(
          listen(scenario, `${'x'.repeat(300)}.invalid`, 0),
          (error: { code?: unknown }) => typeof error.code === 'string' && error.code !== CANCELLED,
        );
      });

      test('in a cancelled scope nothing is bound', async (scenario) => {
        await scenario.inCancelledScope(() =>
          rejectsWith(CANCELLED, () => listen(scenario, '127.0.0.1', 0)),
        );
      });

      if (transport === 'UDP') return;

      test('rejects an invalid backlog', async ({ backend }) => {
        for (const backlog of [0, -1, 1.5, NaN])
          await rejectsWith(BAD_RANGE, () =>
            backend.createTcpListeners('127.0.0.1', 0, { backlog }),
          );
        await rejectsWith(BAD_TYPE, () =>
          backend.createTcpListeners('127.0.0.1', 0, { backlog: '5' as unknown as number }),
        );
      });

      test('a closed listener frees its port at once', async (scenario) => {
        const [first] = await scenario.backend.createTcpListeners('127.0.0.1', 0);
        assert.ok(first !== undefined);
        const { port } = addressOf(first);
        await rawConnect(scenario, { host: '127.0.0.1', port });
        await first.aclose();
        await listenAndOwn(scenario, '127.0.0.1', port);
      });
    });
  }

  if (lacks(subject, 'Unix streams')) return;
  defineSuite(runner, subject, 'listening on a Unix path', (test) => {
    test('makes a socket file with the mode that was asked for, and removes it at close', async (scenario) => {
      const path = scenario.freshPath();
      for (const mode of [0o600, 0o666, 0o640]) {
        const listener = scenario.own(
          await scenario.backend.createUnixStreamListener(path, { mode }),
        );
        assert.ok(statSync(path).isSocket());
        assert.equal(statSync(path).mode & 0o777, mode);
        assert.equal(listener.extra(SocketAttribute.localAddress), path);
        assert.equal(listener.extra(SocketAttribute.family), scenario.constant('AF_UNIX'));
        await listener.aclose();
        assert.ok(!existsSync(path));
        await listener.aclose();
      }
    });

    test('removes only its own file', async (scenario) => {
      const path = scenario.freshPath();
      const listener = scenario.own(await scenario.backend.createUnixStreamListener(path));
      rmSync(path);
      writeFileSync(path, 'of somebody else');
      await listener.aclose();
      assert.ok(existsSync(path));
      rmSync(path);
      const second = scenario.own(await scenario.backend.createUnixStreamListener(path));
      rmSync(path);
      const { server, next } = await rawServer(scenario, { path });
      await second.aclose();
      assert.ok(server.listening);
      await rawConnect(scenario, { path });
      await next();
    });

    test('closes even if its file was removed before', async (scenario) => {
      const path = scenario.freshPath();
      const listener = scenario.own(await scenario.backend.createUnixStreamListener(path));
      unlinkSync(path);
      await listener.aclose();
      assert.ok(listener.isClosing());
    });

    test('a path in use, or a file that a socket left behind, is EADDRINUSE and stays', async (scenario) => {
      const path = scenario.freshPath();
      const first = scenario.own(await scenario.backend.createUnixStreamListener(path));
      const { message } = await rejectsWith('EADDRINUSE', () =>
        scenario.backend.createUnixStreamListener(path),
      );
      assert.match(message, /the file exists/);
      await rawConnect(scenario, { path });
      await first.aclose();
      // A plain file is one too.
      writeFileSync(path, '');
      await rejectsWith('EADDRINUSE', () => scenario.backend.createUnixStreamListener(path));
      assert.ok(existsSync(path));
    });

    test('a listener that fails to open leaves no file', async (scenario) => {
      const path = scenario.freshPath();
      await rejectsWith(BAD_RANGE, () =>
        scenario.backend.createUnixStreamListener(path, { mode: -1 }),
      );
      await rejectsWith(BAD_RANGE, () =>
        scenario.backend.createUnixStreamListener(path, { mode: 0o10000 }),
      );
      await rejectsWith(BAD_RANGE, () =>
        scenario.backend.createUnixStreamListener(path, { backlog: 0 }),
      );
      await scenario.inCancelledScope(() =>
        rejectsWith(CANCELLED, () => scenario.backend.createUnixStreamListener(path)),
      );
      assert.ok(!existsSync(path));
    });

    test('paths that cannot be are errors of the system, with the path', async (scenario) => {
      const path = scenario.freshPath();
      const missing = await rejectsWith<NodeJS.ErrnoException>(['ENOENT', 'EACCES'], () =>
        scenario.backend.createUnixStreamListener(`${path}/in/no/folder`),
      );
      assert.ok(missing.message.includes(path));
      const long = `${path}${'x'.repeat(200)}`;
      await rejectsWith('ENAMETOOLONG', () => scenario.backend.createUnixStreamListener(long));
      assert.ok(!existsSync(long.slice(0, 107)));
      for (const other of [5, null, {}, 'a\0b'])
        await rejectsWith(BAD_TYPE, () =>
          scenario.backend.createUnixStreamListener(other as never),
        );
    });

    test('a path may be bytes', async (scenario) => {
      const path = scenario.freshPath();
      const listener = scenario.own(
        await scenario.backend.createUnixStreamListener(Buffer.from(path)),
      );
      await rawConnect(scenario, { path });
      await listener.aclose();
      assert.ok(!existsSync(path));
    });

    test('a name in the abstract namespace is no file, or the backend says that it has none', async (scenario) => {
      const name = `\0ss-conformance-${process.pid}-${subject.name}`;
      if (lacks(subject, 'abstract names')) {
        await rejectsWith(UNSUPPORTED, () => scenario.backend.createUnixStreamListener(name));
        return;
      }
      const listener = scenario.own(await scenario.backend.createUnixStreamListener(name));
      const dialled = scenario.own(await scenario.backend.createUnixStreamConnection(name));
      assert.equal(dialled.extra(SocketAttribute.remoteAddress), name);
      await rejectsWith('EADDRINUSE', () => scenario.backend.createUnixStreamListener(name));
      await listener.aclose();
      await rejectsWith('ECONNREFUSED', () => scenario.backend.createUnixStreamConnection(name));
    });

    test('its file can be made unreachable by its mode', async (scenario) => {
      const path = scenario.freshPath();
      scenario.own(await scenario.backend.createUnixStreamListener(path, { mode: 0o000 }));
      assert.equal(statSync(path).mode & 0o777, 0);
      chmodSync(path, 0o600);
      await rawConnect(scenario, { path });
    });

    test('node:net, too, finds its path in use', async (scenario) => {
      const path = scenario.freshPath();
      scenario.own(await scenario.backend.createUnixStreamListener(path));
      const server = createServer();
      await assert.rejects(
        new Promise((_resolve, reject) => server.once('error', reject).listen({ path })),
        { code: 'EADDRINUSE' },
      );
      assert.throws(() => portOf(server));
    });
  });
}

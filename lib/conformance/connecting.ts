import type { InetAddress } from '../contract/addresses';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { SocketAttribute } from '../transports/attributes';
import { udpPeer } from './datagram-kinds';
import {
  BAD_RANGE,
  BAD_TYPE,
  bytes,
  CANCELLED,
  endsQuietly,
  hasSettled,
  rejectsWith,
  text,
  turns,
  UNSUPPORTED,
} from './expectations';
import { defineSuite, lacks, type Scenario } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';
import { fullUnix, hangingTcp } from './slow-listeners';
import { portOf, rawServer } from './stream-peer';

/** A port of 127.0.0.1 where nobody listens. */
async function freePort(scenario: Scenario): Promise<number> {
  const { server } = await rawServer(scenario, { host: '127.0.0.1', port: 0 });
  const port = portOf(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Defines the tests of connecting by TCP, UDP and Unix sockets. */
export function testConnecting(runner: TestRunner, subject: ConformanceSubject): void {
  defineSuite(runner, subject, 'connecting by TCP', (test) => {
    test('connects by address and by name', async (scenario) => {
      const { server, next } = await rawServer(scenario, { host: '127.0.0.1', port: 0 });
      for (const host of ['127.0.0.1', 'localhost']) {
        const transport = scenario.own(
          await scenario.backend.createTcpConnection(host, portOf(server)),
        );
        const peer = await next();
        assert.deepEqual(transport.extra(SocketAttribute.remoteAddress), {
          address: '127.0.0.1',
          port: portOf(server),
          family: 'IPv4',
        });
        assert.equal(
          (transport.extra(SocketAttribute.localAddress) as InetAddress).port,
          peer.socket.remotePort,
        );
        await transport.sendAll(bytes('hello'));
        assert.equal(String(await peer.take(5)), 'hello');
      }
    });

    test('connects by IPv6', async (scenario) => {
      const { server } = await rawServer(scenario, { host: '::1', port: 0 }).catch(() => ({
        server: null,
      }));
      // A machine without IPv6.
      if (server === null) return;
      const transport = scenario.own(
        await scenario.backend.createTcpConnection('::1', portOf(server)),
      );
      assert.deepEqual(transport.extra(SocketAttribute.remoteAddress), {
        address: '::1',
        port: portOf(server),
        family: 'IPv6',
      });
      assert.equal(transport.extra(SocketAttribute.family), scenario.constant('AF_INET6'));
    });

    test('a refusal is ECONNREFUSED, with the address', async (scenario) => {
      const port = await freePort(scenario);
      const error = await rejectsWith<NodeJS.ErrnoException & { address?: string; port?: number }>(
        'ECONNREFUSED',
        () => scenario.backend.createTcpConnection('127.0.0.1', port),
      );
      assert.equal(error.syscall, 'connect');
      assert.equal(error.address, '127.0.0.1');
      assert.equal(error.port, port);
      assert.ok((error.errno ?? 0) < 0);
    });

    test('a connection that meets itself is ECONNREFUSED, and leaves its port free', async (scenario) => {
      const host = '127.0.0.1';
      const port = await freePort(scenario);
      const dial = (): Promise<unknown> =>
        scenario.backend.createTcpConnection(host, port, { localAddress: { host, port } });
      const error = await rejectsWith<NodeJS.ErrnoException>('ECONNREFUSED', dial);
      assert.ok(error.errno !== undefined && error.errno < 0);
      const { syscall, address, port: target } = error as { [name: string]: unknown } & Error;
      assert.deepEqual({ syscall, address, target }, { syscall: 'connect', address: host, target: port }); // prettier-ignore
      // It would fail if the connection were still in TIME_WAIT, or open.
      await rejectsWith('ECONNREFUSED', dial);
      await rawServer(scenario, { host, port });
    });

    test('a local address is where the connection comes from', async (scenario) => {
      const { server, next } = await rawServer(scenario, { host: '127.0.0.1', port: 0 });
      const port = await freePort(scenario);
      const transport = scenario.own(
        await scenario.backend.createTcpConnection('127.0.0.1', portOf(server), {
          localAddress: { host: '127.0.0.2', port },
        }),
      );
      const peer = await next();
      assert.deepEqual([peer.socket.remoteAddress, peer.socket.remotePort], ['127.0.0.2', port]);
      assert.deepEqual(transport.extra(SocketAttribute.localAddress), {
        address: '127.0.0.2',
        port,
        family: 'IPv4',
      });
    });

    test('a local address that cannot be bound, or is of another family, is the error of bind', async (scenario) => {
      const { server } = await rawServer(scenario, { host: '127.0.0.1', port: 0 });
      const dial = (host: string): Promise<unknown> =>
        scenario.backend.createTcpConnection('127.0.0.1', portOf(server), {
          localAddress: { host, port: 0 },
        });
      // Of TEST-NET-1 (RFC 5737): no machine has it.
      const { syscall } = await rejectsWith<NodeJS.ErrnoException>('EADDRNOTAVAIL', () =>
        dial('192.0.2.1'),
      );
      assert.equal(syscall, 'bind');
      const { message } = await rejectsWith('EADDRNOTAVAIL', () => dial('::1'));
      assert.match(message, /no matching local address with family=/);
    });

    test('rejects invalid arguments', async ({ backend }) => {
      for (const host of [undefined, null, 5, ''])
        await rejectsWith(BAD_TYPE, () => backend.createTcpConnection(host as never, 80));
      for (const port of [-1, 65536, 1.5, NaN])
        await rejectsWith(BAD_RANGE, () => backend.createTcpConnection('127.0.0.1', port));
      await rejectsWith(BAD_TYPE, () => backend.createTcpConnection('127.0.0.1', '80' as never));
      for (const happyEyeballsDelay of [-1, NaN])
        await rejectsWith(BAD_RANGE, () =>
          backend.createTcpConnection('127.0.0.1', 80, { happyEyeballsDelay }),
        );
      for (const localAddress of [
        { host: '', port: 0 },
        { host: '127.0.0.1', port: '0' },
      ]) {
        await rejectsWith(BAD_TYPE, () =>
          backend.createTcpConnection('127.0.0.1', 80, { localAddress: localAddress as never }),
        );
      }
    });

    test('in a cancelled scope nothing is dialled', async (scenario) => {
      const { server } = await rawServer(scenario, { host: '127.0.0.1', port: 0 });
      let connections = 0;
      server.on('connection', () => connections++);
      await scenario.inCancelledScope(() =>
        rejectsWith(CANCELLED, () =>
          scenario.backend.createTcpConnection('127.0.0.1', portOf(server)),
        ),
      );
      await turns(20);
      assert.equal(connections, 0);
    });

    test('a connection attempt without an answer can be cancelled', async (scenario) => {
      const { host, port } = await hangingTcp(scenario);
      const scope = scenario.backend.openCancelScope();
      const dialling = scope.run(() => scenario.backend.createTcpConnection(host, port));
      assert.equal(await hasSettled(dialling, 20), false);
      scope.cancel();
      await endsQuietly(dialling);
      assert.ok(scope.cancelledCaught());
    });
  });

  defineSuite(runner, subject, 'connecting by UDP', (test) => {
    test('connects by address, by name and by family', async (scenario) => {
      const peer = await udpPeer(scenario);
      const { port } = peer.address as InetAddress;
      for (const family of [undefined, 0, scenario.constant('AF_INET')]) {
        const transport = scenario.own(
          await scenario.backend.createUdpEndpoint(
            family === 0 ? 'localhost' : '127.0.0.1',
            port,
            family === undefined ? {} : { family },
          ),
        );
        await transport.send(bytes('hello'));
        assert.equal(text((await peer.take()).data), 'hello');
      }
    });

    test('a local address is where it sends from', async (scenario) => {
      const peer = await udpPeer(scenario);
      const { port } = peer.address as InetAddress;
      const transport = scenario.own(
        await scenario.backend.createUdpEndpoint('127.0.0.1', port, {
          localAddress: { host: '127.0.0.2', port: 0 },
        }),
      );
      await transport.send(bytes('hello'));
      const { from } = await peer.take();
      assert.equal((from as InetAddress).address, '127.0.0.2');
      assert.deepEqual(transport.extra(SocketAttribute.localAddress), from);
      await rejectsWith('EADDRNOTAVAIL', () =>
        scenario.backend.createUdpEndpoint('127.0.0.1', port, {
          localAddress: { host: '::1', port: 0 },
        }),
      );
      await rejectsWith('EADDRNOTAVAIL', () =>
        scenario.backend.createUdpEndpoint('127.0.0.1', port, {
          localAddress: { host: '192.0.2.1', port: 0 },
        }),
      );
    });

    test('rejects invalid arguments', async (scenario) => {
      const { backend } = scenario;
      for (const host of [undefined, null, 5, ''])
        await rejectsWith(BAD_TYPE, () => backend.createUdpEndpoint(host as never, 80));
      for (const port of [-1, 65536, 1.5, NaN])
        await rejectsWith(BAD_RANGE, () => backend.createUdpEndpoint('127.0.0.1', port));
      for (const family of [scenario.constant('AF_UNIX'), 99])
        await rejectsWith(BAD_RANGE, () => backend.createUdpEndpoint('127.0.0.1', 80, { family }));
      await scenario.inCancelledScope(() =>
        rejectsWith(CANCELLED, () => backend.createUdpEndpoint('127.0.0.1', 80)),
      );
    });

    test('an address of another family than was asked for cannot be resolved', async (scenario) => {
      await assert.rejects(
        scenario.backend.createUdpEndpoint('127.0.0.1', 80, {
          family: scenario.constant('AF_INET6'),
        }),
        (error: { code?: unknown }) => typeof error.code === 'string',
      );
    });
  });

  defineSuite(runner, subject, 'connecting by Unix sockets', (test) => {
    if (!lacks(subject, 'Unix streams')) {
      test('a path where nothing is, is ENOENT; where nobody listens, ECONNREFUSED; and the error has the path', async (scenario) => {
        const path = scenario.freshPath();
        const { message, syscall } = await rejectsWith<NodeJS.ErrnoException>('ENOENT', () =>
          scenario.backend.createUnixStreamConnection(path),
        );
        assert.equal(syscall, 'connect');
        assert.ok(message.includes(path));
        writeFileSync(path, '');
        await rejectsWith('ECONNREFUSED', () => scenario.backend.createUnixStreamConnection(path));
        await rejectsWith('ENAMETOOLONG', () =>
          scenario.backend.createUnixStreamConnection(`${path}${'x'.repeat(200)}`),
        );
      });

      test('rejects invalid paths, and does nothing in a cancelled scope', async (scenario) => {
        const { backend } = scenario;
        for (const path of [undefined, null, 5, {}, 'a\0b'])
          await rejectsWith(BAD_TYPE, () => backend.createUnixStreamConnection(path as never));
        const path = scenario.freshPath();
        await rawServer(scenario, { path });
        await scenario.inCancelledScope(() =>
          rejectsWith(CANCELLED, () => backend.createUnixStreamConnection(path)),
        );
        await assert.rejects(backend.createUnixStreamConnection(''));
      });

      test('a path may be bytes', async (scenario) => {
        const path = scenario.freshPath();
        const { next } = await rawServer(scenario, { path });
        const transport = scenario.own(
          await scenario.backend.createUnixStreamConnection(new Uint8Array(Buffer.from(path))),
        );
        await transport.sendAll(bytes('hello'));
        assert.equal(String(await (await next()).take(5)), 'hello');
      });

      test('a path of its own is what the listener sees, or the backend says that there is none', async (scenario) => {
        const path = scenario.freshPath();
        const localPath = scenario.freshPath();
        if (lacks(subject, 'local Unix paths')) {
          await rejectsWith(UNSUPPORTED, () =>
            scenario.backend.createUnixStreamConnection(path, { localPath }),
          );
          return;
        }
        const listener = scenario.own(await scenario.backend.createUnixStreamListener(path));
        await scenario.backend.createTaskGroup().run(async (group) => {
          const seen: unknown[] = [];
          group.startSoon(() =>
            listener.serve(
              (transport) =>
                void seen.push(scenario.own(transport).extra(SocketAttribute.remoteAddress)),
            ),
          );
          const transport = scenario.own(
            await scenario.backend.createUnixStreamConnection(path, { localPath }),
          );
          assert.equal(transport.extra(SocketAttribute.localAddress), localPath);
          await rejectsWith('EADDRINUSE', () =>
            scenario.backend.createUnixStreamConnection(path, { localPath }),
          );
          await turns(10);
          assert.deepEqual(seen, [localPath]);
          group.cancelScope.cancel();
        });
      });

      test('waits while the backlog of the listener is full', async (scenario) => {
        const { path, makeRoom } = await fullUnix(scenario);
        const scope = scenario.backend.openCancelScope();
        const cancelled = scope.run(() => scenario.backend.createUnixStreamConnection(path));
        const dialling = scenario.backend.createUnixStreamConnection(path);
        assert.equal(await hasSettled(Promise.race([cancelled, dialling]), 20), false);
        scope.cancel();
        await endsQuietly(cancelled);
        await makeRoom();
        scenario.own(await dialling);
      });
    }

    test('Unix datagrams are refused where there are none', async (scenario) => {
      if (!lacks(subject, 'Unix datagrams')) return;
      const path = scenario.freshPath();
      await rejectsWith(UNSUPPORTED, () => scenario.backend.createUnixDatagramEndpoint(path));
      await rejectsWith(UNSUPPORTED, () =>
        scenario.backend.createUnixDatagramEndpoint(path, { localPath: scenario.freshPath() }),
      );
      await rejectsWith(UNSUPPORTED, () => scenario.backend.createUnixDatagramListener(path));
    });
  });
}

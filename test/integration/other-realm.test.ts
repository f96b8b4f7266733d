import { createContext, runInContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import {
  CancelledError,
  constants,
  type InetAddress,
  newBuiltinBackend,
  Socket,
  SocketAttribute,
} from '#lib/index';
import { expectNoLeaks } from '../support/fds';
import { shortSocketPath } from '../support/socket-path';

expectNoLeaks();

const context = createContext({});
/** A value of another realm, as tests of Jest and code in node:vm have them. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- as `as` would
const foreign = <T>(code: string): T => runInContext(code, context) as T;
const bytes = (text: string): Uint8Array =>
  foreign<(codes: readonly number[]) => Uint8Array>('(codes) => Uint8Array.from(codes)')([
    ...Buffer.from(text),
  ]);

it('the values of these tests are of another realm', () => {
  expect(bytes('x')).not.toBeInstanceOf(Uint8Array);
  expect(foreign('new Error()')).not.toBeInstanceOf(Error);
});

describe.each(['native', 'node'] as const)('values of another realm (%s)', (name) => {
  const backend = newBuiltinBackend(name);

  it('as Unix paths name the same files as those of this realm', async () => {
    const path = shortSocketPath();
    const listener = await backend.createUnixStreamListener(bytes(path));
    const client = await backend.createUnixStreamConnection(bytes(path));
    expect(client.extra(SocketAttribute.remoteAddress)).toBe(path);
    await client.aclose();
    await listener.aclose();
  });

  it('as buffers send and receive', async () => {
    const [listener] = await backend.createTcpListeners(foreign("['127.0.0.1']"), 0);
    if (listener === undefined) throw new Error('no listener');
    const { port } = listener.extra(SocketAttribute.localAddress) as InetAddress;
    await backend.createTaskGroup().run(async (group) => {
      group.startSoon(() =>
        listener.serve(async (server) => {
          const into = foreign<Uint8Array>('new Uint8Array(4)');
          expect(await server.recvInto(into)).toBe(4);
          const parts = foreign<Uint8Array[]>(
            '[new Uint8Array(1), new DataView(new ArrayBuffer(3))]',
          );
          await server.sendAll(into);
          expect(await server.recvIntoMany(parts)).toBe(4);
          await server.sendAllFromIterable(parts);
          await server.aclose();
        }),
      );
      const client = await backend.createTcpConnection(
        '127.0.0.1',
        port,
        foreign('({ happyEyeballsDelay: 10 })'),
      );
      await client.sendAll(bytes('ping'));
      expect(Buffer.from(await client.recv(4)).toString()).toBe('ping');
      await client.sendAllFromIterable(
        foreign<Uint8Array[]>('[Uint8Array.of(112, 111), Uint8Array.of(110, 103)]'),
      );
      const got: number[] = [];
      while (got.length < 4) got.push(...(await client.recv(4)));
      expect(Buffer.from(got).toString()).toBe('pong');
      await client.aclose();
      group.cancelScope.cancel();
    });
    await listener.aclose();
  });

  it('as datagrams are sent', async () => {
    const [listener] = await backend.createUdpListeners('127.0.0.1', 0);
    if (listener === undefined) throw new Error('no listener');
    const { port } = listener.extra(SocketAttribute.localAddress) as InetAddress;
    const endpoint = await backend.createUdpEndpoint('127.0.0.1', port);
    const received: string[] = [];
    const scope = backend.openCancelScope();
    await scope.run(async () => {
      const serving = listener.serve(async (data, address) => {
        received.push(Buffer.from(data).toString());
        await listener.sendTo(bytes('back'), address);
      });
      await endpoint.send(bytes('one'));
      await endpoint.sendMany(foreign<Uint8Array[]>('[Uint8Array.of(50)]'));
      const into = foreign<Uint8Array>('new Uint8Array(9)');
      expect(await endpoint.recvInto(into)).toBe(4);
      expect(await endpoint.recv()).toHaveLength(4);
      scope.cancel();
      await serving;
    });
    expect(received).toEqual(['one', '2']);
    await endpoint.aclose();
    await listener.aclose();
  });

  it('as errors are failures with their message, and an AggregateError of cancellations is one', async () => {
    const failed = backend.createTaskGroup().run((group) => {
      group.startSoon(foreign("() => { throw new Error('of the other realm'); }"));
    });
    await expect(failed).rejects.toThrow('1 error in a task group: of the other realm');

    const scope = backend.openCancelScope();
    const run = scope.run(async () => {
      scope.cancel();
      const reason = await backend.sleep(0).catch((error: unknown) => error);
      expect(reason).toBeInstanceOf(CancelledError);
      throw foreign<(errors: unknown) => Error>('(errors) => new AggregateError(errors)')([reason]);
    });
    await run;
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('as promises, functions and signals work in tasks and scopes', async () => {
    expect(await backend.waitFor(foreign<Promise<number>>('Promise.resolve(3)'))).toBe(3);
    expect(await backend.gather(foreign<() => Promise<number>>('async () => 4'))).toEqual([4]);
    expect(
      await backend.openCancelScope().run(foreign<() => Promise<number>>('async () => 5')),
    ).toBe(5);
    const controller = new AbortController();
    const scope = backend.openCancelScope(
      foreign<(signal: unknown) => object>('(signal) => ({ signal })')(controller.signal),
    );
    controller.abort();
    await scope.run(() => backend.sleepForever());
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('as URL of a module are found', async () => {
    const url = foreign<URL>("({ href: 'node:path', protocol: 'node:' })");
    await backend.bootstrap(async () => {
      expect(
        await backend.runInThread({ module: url, name: 'basename' }, foreign("['/a/b']")),
      ).toBe('b');
    });
  });
});

describe('values of another realm in calls of a Socket', () => {
  it('are addresses, buffers, options and ancillary data', () => {
    const { AF_UNIX = 0, SOCK_DGRAM = 0, SOL_SOCKET = 0, SO_RCVBUF = 0 } = constants;
    const path = shortSocketPath();
    using socket = Socket.create(AF_UNIX, SOCK_DGRAM);
    socket.bind(bytes(path));
    expect(socket.localAddress()).toBe(path);
    using sender = Socket.create(AF_UNIX, SOCK_DGRAM);
    sender.sendmsg([bytes('a'), bytes('b')], { address: bytes(path) });
    const into = foreign<Uint8Array>('new Uint8Array(4)');
    expect(
      socket.recvmsg(foreign<(view: unknown) => Uint8Array[]>('(view) => [view]')(into))?.bytes,
    ).toBe(2);
    sender.connect({ sockaddr: rawAddress(path) });
    expect(sender.send(bytes('abc'))).toBe(3);
    expect(socket.recv(into)).toBe(3);
    socket.setsockopt(SOL_SOCKET, SO_RCVBUF, foreign<Uint8Array>('new Uint8Array([0, 64, 0, 0])'));
    expect(() => {
      sender.bind(foreign('({})'));
    }).toThrow(/address.address/);
  });
});

/** A sockaddr_un, as bytes of the other realm. */
function rawAddress(path: string): Uint8Array {
  const { AF_UNIX = 0 } = constants;
  return bytes(`${String.fromCharCode(AF_UNIX, 0)}${path}\0`);
}

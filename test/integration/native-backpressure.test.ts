import { describe, expect, it } from 'vitest';
import { ClosedResourceError, SocketAttribute } from '#lib/index';
import {
  backend,
  connectTo,
  expectCleanEnd,
  isPending,
  listenTcp,
  netServer,
  portOf,
  python,
  rejection,
  shortSocketPath,
  track,
  turns,
  until,
  withPython,
} from './native-kit';

expectCleanEnd();

/**
 * A python receiver on a Unix datagram socket. It reads only when the test says so, and as many
 * datagrams as the test says.
 */
async function receiver(): Promise<{ path: string; read(count: number): Promise<string[]> }> {
  const path = shortSocketPath();
  const peer =
    python(`s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.settimeout(5); s.bind(${JSON.stringify(path)}); say('bound')
while True: say([s.recv(100).decode() for _ in range(hear())])`);
  await peer.hear();
  return {
    path,
    read: async (count) => {
      peer.tell(count);
      return peer.hear();
    },
  };
}

const packet = (i: number): Buffer => Buffer.from(String(i));
const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => String(from + i));

/** Sends until a send has to wait. The last of the promises is that send. */
async function fillQueue(
  send: (data: Buffer) => Promise<void>,
  first = 0,
): Promise<{ pending: Promise<void>; next: number }> {
  for (let i = first; i < first + 10_000; i++) {
    const pending = send(packet(i));
    if (await isPending(pending)) return { pending, next: i + 1 };
  }
  throw new Error('the queue never filled');
}

describe('a slow receiver', () => {
  it.each(['tcp', 'unix'] as const)('makes a %s sender wait in constant memory', async (kind) => {
    const { transport } = await withPython(kind, 'hear()');
    const chunk = new Uint8Array(64 * 1024);
    const scope = backend.openCancelScope();
    let sent = 0;
    const sending = scope.run(async () => {
      for (;;) {
        await transport.sendAll(chunk);
        sent += chunk.length;
      }
    });
    for (let before = -1; before !== sent;) {
      before = sent;
      await turns(20);
    }
    gc!();
    const { arrayBuffers, external } = process.memoryUsage();
    await turns(500);
    gc!();
    const after = process.memoryUsage();
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    expect(after.arrayBuffers).toBeLessThanOrEqual(arrayBuffers + chunk.length);
    expect(after.external).toBeLessThanOrEqual(external + 1024 * 1024);
    scope.cancel();
    await sending;
  });

  it('makes an echo server stop reading, so that the client has to wait', async () => {
    const listener = await listenTcp();
    await backend.createTaskGroup().run(async (group) => {
      group.startSoon(() =>
        listener.serve(async (connection) => {
          const buffer = new Uint8Array(65536);
          for (
            let size = await connection.recvInto(buffer);
            size > 0;
            size = await connection.recvInto(buffer)
          ) {
            await connection.sendAll(buffer.subarray(0, size));
          }
          // The client ends its stream before the test cancels the handler.
          await connection.aclose();
        }),
      );
      const client = await connectTo(portOf(listener));
      const flood = backend.openCancelScope();
      let sent = 0;
      const sending = flood.run(async () => {
        const chunk = new Uint8Array(65536);
        for (;;) {
          await client.sendAll(chunk);
          sent += chunk.length;
        }
      });
      for (let before = -1; before !== sent;) {
        before = sent;
        await turns(50);
      }
      expect(sent).toBeLessThan(64 * 1024 * 1024);
      flood.cancel();
      await sending;
      await client.aclose();
      group.cancelScope.cancel();
    });
  });
});

describe('datagrams to a full Unix queue', () => {
  const senders = {
    endpoint: async (path: string) => {
      const endpoint = track(await backend.createUnixDatagramEndpoint(path));
      return { transport: endpoint, send: (data: Buffer) => endpoint.send(data) };
    },
    listener: async (path: string) => {
      const listener = track(await backend.createUnixDatagramListener(shortSocketPath()));
      return { transport: listener, send: (data: Buffer) => listener.sendTo(data, path) };
    },
  };

  it.each(['endpoint', 'listener'] as const)('of an %s wait, and none is lost', async (kind) => {
    const { path, read } = await receiver();
    const { send } = await senders[kind](path);
    const { pending, next } = await fillQueue(send);
    expect(await read(next)).toEqual(numbers(0, next));
    await pending;
  });

  it.each(['endpoint', 'listener'] as const)(
    'of an %s are not sent if they are cancelled',
    async (kind) => {
      const { path, read } = await receiver();
      const { send } = await senders[kind](path);
      let scope = backend.openCancelScope();
      const { pending, next } = await fillQueue(async (data) => {
        scope = backend.openCancelScope();
        await scope.run(() => send(data));
      });
      scope.cancel();
      await pending;
      expect(scope.cancelledCaught()).toBe(true);
      expect(await read(next - 1)).toEqual(numbers(0, next - 1));
      await send(packet(99_999));
      expect(await read(1)).toEqual(['99999']);
    },
  );

  it.each(['endpoint', 'listener'] as const)(
    'of an %s are all sent before a graceful close ends',
    async (kind) => {
      const { path, read } = await receiver();
      const { transport, send } = await senders[kind](path);
      const { pending, next } = await fillQueue(send);
      const closing = transport.aclose();
      expect(await isPending(closing)).toBe(true);
      expect(await rejection(send(packet(0)))).toBeInstanceOf(ClosedResourceError);
      expect(await read(next)).toEqual(numbers(0, next));
      await Promise.all([pending, closing]);
    },
  );

  it.each(['endpoint', 'listener'] as const)(
    'of an %s end with ClosedResourceError when the close is cancelled',
    async (kind) => {
      const { path } = await receiver();
      const { transport, send } = await senders[kind](path);
      const { pending } = await fillQueue(send);
      const scope = backend.openCancelScope();
      const closing = scope.run(() => transport.aclose());
      scope.cancel();
      await closing;
      expect(await rejection(pending)).toBeInstanceOf(ClosedResourceError);
    },
  );

  it('of a listener keep their order per receiver, and wait for no other one', async () => {
    const [slow, quick] = [await receiver(), await receiver()];
    const listener = track(await backend.createUnixDatagramListener(shortSocketPath()));
    const { pending, next } = await fillQueue((data) => listener.sendTo(data, slow.path));
    const queued = [
      pending,
      ...numbers(next, next + 40).map((text) => listener.sendTo(Buffer.from(text), slow.path)),
    ];
    for (const text of numbers(0, 30)) {
      await listener.sendTo(Buffer.from(text), quick.path);
      expect(await quick.read(1)).toEqual([text]);
    }
    expect(await slow.read(next + 40)).toEqual(numbers(0, next + 40));
    await Promise.all(queued);
  });

  it('of a listener stay in order if one in the middle of the queue is cancelled', async () => {
    const { path, read } = await receiver();
    const listener = track(await backend.createUnixDatagramListener(shortSocketPath()));
    const { pending, next } = await fillQueue((data) => listener.sendTo(data, path));
    const scopes = [1, 2, 3].map(() => backend.openCancelScope());
    const queued = numbers(next, next + 6).map((text, i) => {
      const sendIt = (): Promise<void> => listener.sendTo(Buffer.from(text), path);
      return i % 2 === 0 ? sendIt() : scopes[i >> 1]!.run(sendIt);
    });
    scopes.forEach((scope) => {
      scope.cancel();
    });
    const kept = numbers(next, next + 6).filter((_, i) => i % 2 === 0);
    expect(await read(next + 3)).toEqual([...numbers(0, next), ...kept]);
    await Promise.all([pending, ...queued]);
  });

  it('of a listener reject when the receiver is closed', async () => {
    const path = shortSocketPath();
    const peer = python(
      `s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(${JSON.stringify(path)}); say(1); hear(); s.close()`,
    );
    await peer.hear();
    const listener = track(await backend.createUnixDatagramListener(shortSocketPath()));
    const { pending } = await fillQueue((data) => listener.sendTo(data, path));
    peer.tell(1);
    expect(await rejection(pending)).toMatchObject({ code: 'ECONNREFUSED', path });
    await peer.end();
  });
});

describe('a flooding connection', () => {
  it('delays neither a timer nor another connection', async () => {
    const { target } = await netServer('tcp', (socket) => socket.pipe(socket));
    const flooder = python(`
target = hear(); s = socket.create_connection(('127.0.0.1', target)); data = bytes(1 << 16)
try:
    while True: s.sendall(data)
except OSError: pass`);
    const listener = await listenTcp();
    let flooded = 0;
    await backend.createTaskGroup().run(async (group) => {
      group.startSoon(() =>
        listener.serve(async (connection) => {
          await using transport = connection;
          const buffer = new Uint8Array(1024);
          // Small receives, each of which completes at once: this task never waits for an event.
          for (;;) flooded += await transport.recvInto(buffer);
        }),
      );
      flooder.tell(portOf(listener));
      await until(() => flooded > 1_000_000, 'the flood');
      const polite = await connectTo(target);
      let longest = 0;
      for (let round = 0; round < 30; round++) {
        const before = backend.currentTime();
        await backend.sleep(1);
        await polite.sendAll(Buffer.from('ping'));
        expect(await polite.recv(10)).toHaveLength(4);
        longest = Math.max(longest, backend.currentTime() - before);
      }
      // A generous bound, since the machine may be busy. A starved round would never end.
      expect(longest).toBeLessThan(2_000);
      await polite.aclose();
      group.cancelScope.cancel();
    });
    flooder.kill();
  });

  it('of datagrams delays neither a timer nor a stream', async () => {
    const [listener] = await backend.createUdpListeners('127.0.0.1', 0);
    const flooder =
      python(`s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); target = ('127.0.0.1', hear())
while True: s.sendto(b'x', target)`);
    let count = 0;
    await backend.createTaskGroup().run(async (group) => {
      group.startSoon(() =>
        listener!.serve(() => {
          count++;
        }),
      );
      flooder.tell((track(listener!).extra(SocketAttribute.localAddress) as { port: number }).port);
      await until(() => count > 1000, 'the flood');
      for (let tick = 0; tick < 20; tick++) {
        const before = count;
        await backend.sleep(5);
        expect(count).toBeGreaterThanOrEqual(before);
      }
      group.cancelScope.cancel();
    });
    flooder.kill();
  });
});

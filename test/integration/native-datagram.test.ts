import { existsSync, statSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import {
  acloseForcefully,
  ancillaryBufferSize,
  type AsyncDatagramListener,
  type AsyncDatagramTransport,
  BusyResourceError,
  ClosedResourceError,
  closeReceivedFds,
  type InetAddress,
  SocketAttribute,
  type UnixPath,
} from '#lib/index';
import { openFdCount } from '../support/fds';
import {
  backend,
  constant,
  expectCleanEnd,
  isPending,
  portOf,
  python,
  rejection,
  shortSocketPath,
  track,
  turns,
} from './native-kit';

expectCleanEnd();

const KINDS = ['udp', 'unix'] as const;
type Kind = (typeof KINDS)[number];
const text = (data: Uint8Array): string => Buffer.from(data).toString();

/** A connected endpoint. Its peer is python's socket `s`, which sends to the address `ours`. */
async function withPeer(
  kind: Kind,
  program: string,
): Promise<{ endpoint: AsyncDatagramTransport; peer: ReturnType<typeof python> }> {
  const [theirs, own] = [shortSocketPath(), shortSocketPath()];
  const peer = python(
    kind === 'udp'
      ? `s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0)); say(s.getsockname()[1]); ours = ('127.0.0.1', hear())\n${program}`
      : `s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(${JSON.stringify(theirs)}); say(0); hear(); ours = ${JSON.stringify(own)}\n${program}`,
  );
  const port = await peer.hear<number>();
  const endpoint = track(
    kind === 'udp'
      ? await backend.createUdpEndpoint('127.0.0.1', port)
      : await backend.createUnixDatagramEndpoint(theirs, { localPath: own }),
  );
  peer.tell(kind === 'udp' ? portOf(endpoint) : 0);
  return { endpoint, peer };
}

async function listen(
  kind: Kind,
): Promise<{ listener: AsyncDatagramListener<InetAddress | UnixPath>; target: number | string }> {
  if (kind === 'udp') {
    const [listener] = await backend.createUdpListeners('127.0.0.1', 0);
    track(listener!);
    return {
      listener: listener as AsyncDatagramListener<InetAddress | UnixPath>,
      target: portOf(listener!),
    };
  }
  const path = shortSocketPath();
  const listener = track(await backend.createUnixDatagramListener(path));
  return { listener: listener, target: path };
}

describe.each(KINDS)('a %s endpoint', (kind) => {
  it('keeps the boundaries of packets, empty ones included', async () => {
    const { endpoint, peer } = await withPeer(
      kind,
      `
for _ in range(4): s.sendto(s.recv(70000), ours)`,
    );
    for (const packet of ['one', '', 'x'.repeat(1000), 'y'.repeat(60000)]) {
      await endpoint.send(Buffer.from(packet));
      expect(text(await endpoint.recv())).toBe(packet);
    }
    await peer.end();
  });

  it('recvInto receives one packet, or rejects with EMSGSIZE if it does not fit', async () => {
    const { endpoint, peer } = await withPeer(
      kind,
      `\nfor size in (3, 50, 4): s.sendto(b'x' * size, ours)`,
    );
    const buffer = Buffer.alloc(10);
    expect(await endpoint.recvInto(buffer)).toBe(3);
    expect(await rejection(endpoint.recvInto(buffer))).toMatchObject({ code: 'EMSGSIZE' });
    expect(await endpoint.recvInto(new DataView(buffer.buffer, buffer.byteOffset, 10))).toBe(4);
    await peer.end();
  });

  it('recvMany receives all packets that have arrived, and sendMany sends all', async () => {
    const { endpoint, peer } = await withPeer(
      kind,
      `
for i in range(9): s.sendto(b'%d' % i, ours)
say('sent'); s.settimeout(5)
say([s.recv(2000).decode() for _ in range(9)])`,
    );
    await peer.hear();
    expect((await endpoint.recvMany(4)).map(text)).toEqual(['0', '1', '2', '3']);
    expect((await endpoint.recvMany(100)).map(text)).toEqual(['4', '5', '6', '7', '8']);
    expect(await isPending(backend.moveOnAfter(20).run(() => endpoint.recvMany(1)))).toBe(true);
    const packets = ['aa', 'bb', 'cc', 'd', 'eeee', 'ffff', '', 'g', 'h'];
    const sending = endpoint.sendMany(packets.map((packet) => Buffer.from(packet)));
    expect(await peer.hear()).toEqual(packets);
    await sending;
    await endpoint.sendMany([]);
    await peer.end();
  });

  it('refuses a second receiver, and rejects all calls when it is closed', async () => {
    const { endpoint } = await withPeer(kind, 'hear()');
    const waiting = endpoint.recv();
    expect(await rejection(endpoint.recvInto(new Uint8Array(1)))).toBeInstanceOf(BusyResourceError);
    expect(await rejection(endpoint.recvMany(1))).toBeInstanceOf(BusyResourceError);
    await endpoint.aclose();
    expect(await rejection(waiting)).toBeInstanceOf(ClosedResourceError);
    for (const late of [
      endpoint.recv(),
      endpoint.recvInto(new Uint8Array(1)),
      endpoint.recvMany(1),
      endpoint.send(Buffer.from('x')),
      endpoint.sendMany([]),
    ]) {
      expect(await rejection(late)).toBeInstanceOf(ClosedResourceError);
    }
    await endpoint.aclose();
    await acloseForcefully(endpoint);
  });

  it('rejects with ECONNREFUSED if no socket is bound to the address of the peer', async () => {
    const { endpoint, peer } = await withPeer(kind, 's.close()');
    await peer.end();
    const errors: unknown[] = [];
    for (let i = 0; i < 3 && errors.length === 0; i++) {
      await endpoint.send(Buffer.from('x')).catch((error: unknown) => errors.push(error));
      await turns(3);
    }
    expect(errors[0]).toMatchObject({ code: 'ECONNREFUSED' });
    expect(endpoint.isClosing()).toBe(false);
  });

  it('rejects values that are no buffer or count, and data too long for a packet', async () => {
    const { endpoint } = await withPeer(kind, 'hear()');
    for (const wrong of ['x', null, 5, new ArrayBuffer(1)]) {
      expect(await rejection(endpoint.send(wrong as never))).toBeInstanceOf(TypeError);
      expect(await rejection(endpoint.recvInto(wrong as never))).toBeInstanceOf(TypeError);
      expect(await rejection(endpoint.sendMany([wrong] as never))).toBeInstanceOf(TypeError);
    }
    for (const max of [0, -1, 1.5])
      expect(await rejection(endpoint.recvMany(max))).toBeInstanceOf(RangeError);
    expect(await rejection(endpoint.send(new Uint8Array(16 * 1024 * 1024)))).toMatchObject({
      code: 'EMSGSIZE',
    });
    await endpoint.send(Buffer.from('fine'));
  });
});

describe('createUdpEndpoint', () => {
  it('receives from its peer only, and is bound to the local address that was given', async () => {
    const { endpoint, peer } = await withPeer('udp', `hear(); s.sendto(b'peer', ours)`);
    const stranger = createSocket('udp4');
    stranger.send('stranger', portOf(endpoint), '127.0.0.1');
    await once(stranger, 'listening');
    peer.tell(1);
    expect(text(await endpoint.recv())).toBe('peer');
    stranger.close();
    const other = track(
      await backend.createUdpEndpoint('127.0.0.1', 9, {
        localAddress: { host: '127.0.0.2', port: 0 },
      }),
    );
    expect(other.extra(SocketAttribute.localAddress)).toMatchObject({
      address: '127.0.0.2',
      family: 'IPv4',
    });
  });

  it('accepts the families AF_INET and AF_INET6, and no others', async () => {
    for (const family of [0, constant('AF_INET')])
      track(await backend.createUdpEndpoint('127.0.0.1', 9, { family }));
    track(await backend.createUdpEndpoint('::1', 9, { family: constant('AF_INET6') }));
    for (const family of [constant('AF_UNIX'), -1, 9999]) {
      expect(await rejection(backend.createUdpEndpoint('127.0.0.1', 9, { family }))).toBeInstanceOf(
        RangeError,
      );
    }
    const before = openFdCount();
    const error = await rejection(
      backend.createUdpEndpoint('127.0.0.1', 9, { localAddress: { host: '::1', port: 0 } }),
    );
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', syscall: 'bind' });
    expect(openFdCount()).toBe(before);
  });
});

describe('createUnixDatagramEndpoint', () => {
  it('removes its own file when it is closed, and may have an automatic name', async () => {
    const [theirs, ours] = [shortSocketPath(), shortSocketPath()];
    const peer =
      python(`s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(${JSON.stringify(theirs)}); say(1)
data, address = s.recvfrom(100); s.sendto(b'to ' + data, address)`);
    await peer.hear();
    const named = await backend.createUnixDatagramEndpoint(theirs, { localPath: ours });
    expect(statSync(ours).isSocket()).toBe(true);
    await named.aclose();
    expect(existsSync(ours)).toBe(false);
    const automatic = track(await backend.createUnixDatagramEndpoint(theirs, { localPath: '' }));
    await automatic.send(Buffer.from('you'));
    expect(text(await automatic.recv())).toBe('to you');
    await peer.end();
  });

  it('receives a packet that is longer than any UDP datagram', async () => {
    const { endpoint, peer } = await withPeer('unix', `s.sendto(b'z' * 150000, ours)`);
    expect(await endpoint.recv()).toHaveLength(150_000);
    await peer.end();
  });

  it('carries fds in both directions', async () => {
    const { endpoint, peer } = await withPeer(
      'unix',
      `
data, ancillary, flags, _ = s.recvmsg(100, 100); say([data.decode(), len(ancillary)])
s.sendmsg([b'back'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0, 1]))], 0, ours)`,
    );
    const before = openFdCount();
    await endpoint.sendWithAncillary(Buffer.from('there'), { fds: [0] });
    expect(await peer.hear()).toEqual(['there', 1]);
    const { data, ancillary } = await endpoint.recvWithAncillary(ancillaryBufferSize(2));
    expect([text(data), ancillary.fds?.length]).toEqual(['back', 2]);
    closeReceivedFds(ancillary);
    expect(openFdCount()).toBe(before);
    await peer.end();
  });
});

describe.each(KINDS)('a %s datagram listener', (kind) => {
  const client = (target: number | string, own: string): string =>
    kind === 'udp'
      ? `s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.bind(('127.0.0.1', 0)); target = ('127.0.0.1', ${target})\n`
      : `s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.settimeout(5); s.bind(${JSON.stringify(own)}); target = ${JSON.stringify(target)}\n`;

  it('starts handlers in order, also for datagrams that arrived before serve', async () => {
    const { listener, target } = await listen(kind);
    const peer = python(`${client(target, shortSocketPath())}
for i in range(8): s.sendto(b'%d' % i, target)
say('sent')
for i in range(8, 10): s.sendto(b'%d' % i, target)`);
    await peer.hear();
    const order: string[] = [];
    const scope = backend.openCancelScope();
    await scope.run(() =>
      listener.serve(async (data) => {
        order.push(text(data));
        if (order.length === 10) scope.cancel();
        await backend.sleepForever();
      }),
    );
    expect(order).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    await peer.end();
  });

  it('sends many replies to a sender at once', async () => {
    const { listener, target } = await listen(kind);
    const total = kind === 'udp' ? 150 : 1000;
    const peer = python(`${client(target, shortSocketPath())}
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22); s.sendto(b'go', target)
say(sorted(int(s.recv(100)) for _ in range(${total})))`);
    const scope = backend.openCancelScope();
    await scope.run(() =>
      listener.serve(async (_data, address) => {
        await backend.gather(
          ...Array.from(
            { length: total },
            (_, i) => () => listener.sendTo(Buffer.from(String(i)), address),
          ),
        );
        scope.cancel();
      }),
    );
    expect(await peer.hear()).toEqual(Array.from({ length: total }, (_, i) => i));
    await peer.end();
  });

  it('sends in order, also more datagrams at once than one turn of the loop has', async () => {
    const { listener, target } = await listen(kind);
    const own = shortSocketPath();
    const peer = python(`${client(target, own)}
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22); say(s.getsockname()); total = hear()
say([struct.unpack('>I', s.recv(4))[0] for _ in range(total)])`);
    const name = await peer.hear<[string, number] | string>();
    const address: InetAddress | UnixPath =
      typeof name === 'string' ? name : { address: name[0], port: name[1], family: 'IPv4' };
    peer.tell(600);
    const packets = Array.from({ length: 600 }, (_, i) => {
      const packet = Buffer.alloc(4);
      packet.writeUInt32BE(i);
      return packet;
    });
    await Promise.all(packets.map((packet) => listener.sendTo(packet, address)));
    expect(await peer.hear()).toEqual(packets.map((_, i) => i));
    await peer.end();
  });

  it('serve rejects if the listener serves already or is closed, or a handler fails', async () => {
    const { listener, target } = await listen(kind);
    const serving = rejection(listener.serve(() => undefined));
    expect(await rejection(listener.serve(() => undefined))).toBeInstanceOf(BusyResourceError);
    expect(await rejection(listener.serveWithAncillary(() => undefined, 64))).toBeInstanceOf(
      BusyResourceError,
    );
    await listener.aclose();
    expect(await serving).toBeInstanceOf(ClosedResourceError);
    expect(await rejection(listener.serve(() => undefined))).toBeInstanceOf(ClosedResourceError);
    expect(
      await rejection(
        listener.sendTo(
          Buffer.from('x'),
          typeof target === 'string'
            ? target
            : { address: '127.0.0.1', port: target, family: 'IPv4' },
        ),
      ),
    ).toBeInstanceOf(ClosedResourceError);

    const other = await listen(kind);
    const peer = python(`${client(other.target, shortSocketPath())}\ns.sendto(b'bad', target)`);
    const failed = await rejection(
      other.listener.serve(() => Promise.reject(new Error('planted'))),
    );
    expect((failed as AggregateError).errors).toEqual([
      expect.objectContaining({ message: 'planted' }),
    ]);
    await peer.end();
  });

  it('rejects values that are no handler, group, buffer or address', async () => {
    const { listener } = await listen(kind);
    expect(await rejection(listener.serve(5 as never))).toBeInstanceOf(TypeError);
    expect(await rejection(listener.serve(() => undefined, {} as never))).toBeInstanceOf(TypeError);
    expect(await rejection(listener.serveWithAncillary(() => undefined, -1))).toBeInstanceOf(
      RangeError,
    );
    expect(await rejection(listener.sendTo('x' as never, 'a'))).toBeInstanceOf(TypeError);
    for (const address of [null, 5, undefined])
      expect(await rejection(listener.sendTo(Buffer.from('x'), address as never))).toBeInstanceOf(
        TypeError,
      );
  });
});

describe('a Unix datagram listener', () => {
  it('reports a sender without a name as an empty path, and cannot reply to it', async () => {
    const { listener, target } = await listen('unix');
    const peer = python(
      `socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'anonymous', ${JSON.stringify(target)})`,
    );
    const scope = backend.openCancelScope();
    let from: unknown;
    await scope.run(() =>
      listener.serve((_data, address) => {
        from = address;
        scope.cancel();
      }),
    );
    expect(from).toBe('');
    expect(await rejection(listener.sendTo(Buffer.from('x'), ''))).toMatchObject({
      code: 'EDESTADDRREQ',
      syscall: 'sendto',
    });
    expect(await rejection(listener.sendTo(Buffer.from('x'), '/nonexistent'))).toMatchObject({
      code: 'ENOENT',
      path: '/nonexistent',
    });
    await peer.end();
  });

  it('receives and sends control messages', async () => {
    const { listener, target } = await listen('unix');
    const own = shortSocketPath();
    const peer =
      python(`s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(${JSON.stringify(own)})
s.sendmsg([b'fd'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0]))], 0, ${JSON.stringify(target)})
data, ancillary, _, _ = s.recvmsg(100, 100); say([data.decode(), len(ancillary)])`);
    const before = openFdCount();
    const scope = backend.openCancelScope();
    await scope.run(() =>
      listener.serveWithAncillary(async (data, ancillary, address) => {
        expect([text(data), ancillary?.fds?.length, address]).toEqual(['fd', 1, own]);
        await listener.sendWithAncillaryTo(Buffer.from('too'), ancillary!, address);
        closeReceivedFds(ancillary!);
        scope.cancel();
      }, ancillaryBufferSize(1)),
    );
    expect(await peer.hear()).toEqual(['too', 1]);
    expect(openFdCount()).toBe(before);
    await peer.end();
  });
});

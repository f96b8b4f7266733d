import type { NativeSocket } from '#lib/socket/socket';
import { describe, expect, it } from 'vitest';
import type { Bytes } from '#lib/contract/bytes';
import { SendMany } from '#lib/socket/datagram-batch';
import { WOULD_BLOCK } from '#lib/socket/io-operation';
import { expectNoLeaks } from '../support/fds';
import * as kit from '../unit/socket/kit';
import { pattern } from '../unit/socket/memory';
import {
  borrowPeer,
  endBorrowedPeer,
  fromWire,
  places,
  toWire,
  type WireAddress,
} from './socket-python';

expectNoLeaks();
endBorrowedPeer();

const sizes = [5, 0, 1, 1400, 20_000, 65_000];
const packets = sizes.map((size) => Buffer.from(pattern(size + 7).buffer, 7));
const buffer = Buffer.alloc(100_000);

/** Sends each packet to the peer, which echoes it. Returns the sender of each echo. */
async function exchange(
  socket: NativeSocket,
  address?: ReturnType<typeof fromWire>,
): Promise<unknown[]> {
  const senders: unknown[] = [];
  for (const packet of packets) {
    const half = packet.length >> 1;
    expect(
      socket.sendmsg(
        [packet.subarray(0, half), packet.subarray(half)],
        address === undefined ? {} : { address },
      ),
    ).toBe(packet.length);
    await socket.readable();
    const message = socket.recvmsg([buffer]);
    expect(message).toMatchObject({ bytes: packet.length, flags: expect.any(Number) as number });
    expect(buffer.subarray(0, packet.length).equals(packet)).toBe(true);
    senders.push(message?.address);
  }
  return senders;
}

describe.each(places)('datagrams to %s', (_what, family, address) => {
  it('are echoed by a python socket, with and without a connection', async () => {
    const peer = borrowPeer(`
server = make(*hear())
say(to_wire(server.getsockname()))
for _ in range(${String(2 * sizes.length)}):
    data, sender = server.recvfrom(100000)
    server.sendto(data, sender)
say(to_wire(sender))
`);
    peer.tell([family, kit.SOCK_DGRAM, toWire(address())]);
    const server = fromWire(await peer.hear<WireAddress>());
    const socket = kit.create(family, kit.SOCK_DGRAM);
    socket.bind(family === kit.AF_UNIX ? address() : kit.loopback(family));
    expect(await exchange(socket, server)).toEqual(sizes.map(() => server));
    expect(socket.connect(server)).toBe(true);
    expect(socket.remoteAddress()).toEqual(server);
    expect(await exchange(socket)).toEqual(sizes.map(() => server));
    expect(socket.localAddress()).toEqual(fromWire(await peer.hear<WireAddress>()));
    await peer.end();
  });

  it('are received from a python socket', async () => {
    const socket = kit.create(family, kit.SOCK_DGRAM);
    socket.bind(address());
    const peer = borrowPeer(`
family, name, server = hear()
client = make(family, socket.SOCK_DGRAM, name)
say(to_wire(client.getsockname()))
for size in hear():
    client.sendto(bytes(i % 251 for i in range(size)), from_wire(server))
    data, sender = client.recvfrom(100000)
    say([len(data), to_wire(sender)])
`);
    peer.tell([
      family,
      toWire(family === kit.AF_UNIX ? address() : kit.loopback(family)),
      toWire(socket.localAddress()),
    ]);
    const client = fromWire(await peer.hear<WireAddress>());
    peer.tell(sizes);
    for (const size of sizes) {
      await socket.readable();
      const message = socket.recvmsg([buffer]);
      expect(message).toMatchObject({ bytes: size, address: client });
      expect(buffer.subarray(0, size).every((byte, i) => byte === i % 251)).toBe(true);
      socket.sendmsg([buffer.subarray(0, size)], { address: client });
      const [length, sender] = await peer.hear<[number, WireAddress]>();
      expect([length, fromWire(sender)]).toEqual([size, socket.localAddress()]);
    }
    await peer.end();
  });
});

describe('a python sender without a name', () => {
  it('is reported as the empty path', async () => {
    const socket = kit.create(kit.AF_UNIX, kit.SOCK_DGRAM);
    socket.bind('');
    const peer = borrowPeer(
      `make(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', from_wire(hear()))`,
    );
    peer.tell(toWire(socket.localAddress()));
    await socket.readable();
    expect(socket.recvmsg([buffer])).toMatchObject({ bytes: 1, address: '' });
    await peer.end();
  });
});

describe.each([
  ['IPv4', kit.AF_INET],
  ['IPv6', kit.AF_INET6],
])('a batch of datagrams over %s', (_what, family) => {
  it('arrives at a python socket packet by packet, however it was sent', async () => {
    const peer = borrowPeer(`
family, server, count = hear()
server = make(family, socket.SOCK_DGRAM, server)
server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
say(to_wire(server.getsockname()))
packets = [server.recv(100000) for _ in range(count)]
say([[len(packet), sum(packet)] for packet in packets])
`);
    // Runs of one size (segmentation offload), shorter packets at their ends, single packets, empty
    // packets, and one packet that is too long for a segment.
    const batch: Bytes[] = [
      ...Array.from({ length: 130 }, (_, i) => pattern(1200).fill(i)),
      pattern(300),
      pattern(0),
      pattern(2000),
      new Uint16Array([1, 2, 3]),
      pattern(65_000),
      ...Array.from({ length: 10 }, () => pattern(9)),
      new DataView(pattern(50).buffer, 11, 30),
    ];
    peer.tell([family, toWire(kit.loopback(family)), batch.length]);
    const socket = await kit.connected(
      family,
      kit.SOCK_DGRAM,
      fromWire(await peer.hear<WireAddress>()),
    );
    const operation = new SendMany(socket.descriptor, batch);
    if (operation.attempt() === WOULD_BLOCK)
      await operation.park(socket.descriptor.isReady('write')).promise;
    const sum = (view: Bytes): number =>
      new Uint8Array(view.buffer, view.byteOffset, view.byteLength).reduce((a, b) => a + b, 0);
    expect(await peer.hear()).toEqual(batch.map((packet) => [packet.byteLength, sum(packet)]));
    await peer.end();
  });
});

import type { NativeSocket } from '#lib/socket/socket';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nativeBinding } from '#lib/binding';
import { CancelledError, ClosedResourceError } from '#lib/errors';
import type { Bytes } from '#lib/contract/bytes';
import { currentScope } from '#lib/waiting/context';
import { EINVAL, EIO, EMSGSIZE } from '#lib/errno';
import { receiveDatagrams, SendMany } from '#lib/socket/datagram-batch';
import { WOULD_BLOCK } from '#lib/socket/io-operation';
import { expectNoLeaks } from '../../support/fds';
import * as kit from './kit';
import { detach, pattern } from './memory';

expectNoLeaks();
afterEach(() => vi.restoreAllMocks());

const native = nativeBinding();
const { SOCK_DGRAM, SOL_SOCKET } = kit;

/** A receiver with room for many datagrams, and a sender that is connected to it. */
async function udp(
  family = kit.AF_INET,
): Promise<{ receiver: NativeSocket; sender: NativeSocket }> {
  const { socket: receiver, address } = kit.bound(SOCK_DGRAM, family);
  receiver.setsockopt(SOL_SOCKET, kit.SO_RCVBUF, 4 << 20);
  return { receiver, sender: await kit.connected(family, SOCK_DGRAM, address) };
}

/** Sends as a transport does. */
async function sendMany(socket: NativeSocket, packets: readonly Bytes[]): Promise<void> {
  const operation = new SendMany(socket.descriptor, packets);
  if (operation.attempt() !== WOULD_BLOCK) return undefined;
  return operation.enter(currentScope()).park(socket.descriptor.isReady('write')).promise;
}

async function receiveAll(socket: NativeSocket, count: number): Promise<Uint8Array[]> {
  const packets: Uint8Array[] = [];
  while (packets.length < count) {
    await socket.readable();
    const more = receiveDatagrams(socket.descriptor, count);
    if (more !== WOULD_BLOCK) packets.push(...more);
  }
  return packets;
}

const hex = (packets: readonly Bytes[]): string[] =>
  packets.map((data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'));

describe('receiveDatagrams', () => {
  it.each([
    ['UDP', () => udp()],
    ['UDP over IPv6', () => udp(kit.AF_INET6)],
    [
      'Unix',
      async () => {
        const [receiver, sender] = kit.pair(SOCK_DGRAM);
        sender.setsockopt(SOL_SOCKET, kit.SO_SNDBUF, 4 << 20);
        return { receiver, sender };
      },
    ],
  ])('takes what is there, up to max, each in memory that is its own (%s)', async (_name, make) => {
    const { receiver, sender } = await make();
    expect(receiveDatagrams(receiver.descriptor, 10)).toBe(WOULD_BLOCK);
    const packets = Array.from({ length: 100 }, (_, i) => pattern(i % 40).fill(i));
    for (const packet of packets) sender.send(packet);
    await receiver.readable();
    const first = receiveDatagrams(receiver.descriptor, 70) as Uint8Array[];
    const rest = receiveDatagrams(receiver.descriptor, 70) as Uint8Array[];
    expect([first.length, rest.length]).toEqual([70, 30]);
    expect(hex([...first, ...rest])).toEqual(hex(packets));
    first[1]!.fill(0xee);
    expect(hex([first[0]!, first[2]!])).toEqual(hex([packets[0]!, packets[2]!]));
    expect(receiveDatagrams(receiver.descriptor, 1)).toBe(WOULD_BLOCK);
    expect(receiver.descriptor.isReady('read')).toBe(false);
  });

  it('stops after 256, whatever max is: a flood must not block the event loop', async () => {
    const { receiver, sender } = await udp();
    for (let i = 0; i < 300; i++) sender.send(Buffer.from('x'));
    await receiver.readable();
    expect(receiveDatagrams(receiver.descriptor, 0x7fffffff)).toHaveLength(256);
    expect(receiveDatagrams(receiver.descriptor, 0x7fffffff)).toHaveLength(44);
  });

  it('receives the longest packet whole', async () => {
    const { receiver, sender } = await udp();
    const packets = [pattern(65_507), pattern(1), pattern(65_507)];
    for (const packet of packets) sender.send(packet);
    expect(hex(await receiveAll(receiver, 3))).toEqual(hex(packets));
  });

  it('throws an error that comes first, and keeps one behind packets for the next call', async () => {
    const { receiver, sender } = await udp();
    receiver.close();
    sender.send(Buffer.from('x'));
    await sender.readable();
    expect(kit.thrown(() => receiveDatagrams(sender.descriptor, 5))).toMatchObject({
      code: 'ECONNREFUSED',
      syscall: 'recvmmsg',
    });

    const next = await udp();
    for (let i = 0; i < 32; i++) next.sender.send(Buffer.from('x'));
    await next.receiver.readable();
    const { recvmmsg } = native;
    vi.spyOn(native, 'recvmmsg').mockImplementationOnce(recvmmsg).mockReturnValueOnce(EIO);
    expect(receiveDatagrams(next.receiver.descriptor, 100)).toHaveLength(32);
    expect(next.receiver.descriptor.readError).toBe(EIO);

    const [left, right] = kit.pair(SOCK_DGRAM);
    left.send(Buffer.from('x'));
    const { recvfrom } = native;
    vi.spyOn(native, 'recvfrom').mockImplementationOnce(recvfrom).mockReturnValueOnce(EIO);
    left.send(Buffer.from('x'));
    expect(receiveDatagrams(right.descriptor, 100)).toHaveLength(1);
    expect(right.descriptor.readError).toBe(EIO);
  });

  it('a truncated packet is an error, not an empty packet', async () => {
    const { receiver } = await udp();
    vi.spyOn(native, 'recvmmsg').mockImplementationOnce((_fd, _slab, _size, _count, sizes) => {
      sizes.set([3, EMSGSIZE, 4]);
      return 3;
    });
    expect(
      (receiveDatagrams(receiver.descriptor, 100) as Uint8Array[]).map(({ length }) => length),
    ).toEqual([3, 4]);
    expect(receiver.descriptor.readError).toBe(EMSGSIZE);
  });
});

describe('SendMany', () => {
  it.each([
    ['IPv4', kit.AF_INET],
    ['IPv6', kit.AF_INET6],
  ])(
    'sends packets of one size by segmentation offload, and they arrive unchanged (%s)',
    async (_name, family) => {
      const { receiver, sender } = await udp(family);
      const packets = Array.from({ length: 100 }, (_, i) => pattern(500).fill(i));
      const [gso, batch] = [vi.spyOn(native, 'sendmsg'), vi.spyOn(native, 'sendmmsg')];
      await sendMany(sender, packets);
      expect([gso.mock.calls.length, batch.mock.calls.length]).toEqual([2, 0]);
      expect(hex(await receiveAll(receiver, 100))).toEqual(hex(packets));
    },
  );

  it('sends packets of different sizes in order', async () => {
    const { receiver, sender } = await udp();
    const lengths = [
      5, 5, 5, 9, 9, 3, 0, 0, 7, 100, 100, 200, 1400, 1400, 1399, 1400, 20_000, 20_000, 20_000,
      20_000, 1, 65_507, 40_000, 40_000, 0,
    ];
    const packets = lengths.map((length, i) => pattern(length + i).subarray(i));
    await sendMany(sender, [
      ...packets,
      new DataView(pattern(20).buffer, 3, 9),
      new Uint16Array([1, 2, 3]),
    ]);
    const received = await receiveAll(receiver, lengths.length + 2);
    expect(received.map(({ length }) => length)).toEqual([...lengths, 9, 6]);
    expect(hex(received).slice(0, -2)).toEqual(hex(packets));
  });

  it.each([EIO, EINVAL, EMSGSIZE])(
    'sends by sendmmsg from then on, if offload fails (%i)',
    async (code) => {
      const { receiver, sender } = await udp();
      const packets = Array.from({ length: 10 }, () => pattern(50));
      const gso = vi.spyOn(native, 'sendmsg').mockReturnValueOnce(code);
      const batch = vi.spyOn(native, 'sendmmsg');
      await sendMany(sender, packets);
      await sendMany(sender, packets);
      expect([gso.mock.calls.length, batch.mock.calls.length]).toEqual([1, 2]);
      expect(hex(await receiveAll(receiver, 20))).toEqual(hex([...packets, ...packets]));
    },
  );

  it('no call has more bytes than a datagram may have', async () => {
    const { receiver, sender } = await udp();
    const [gso, batch] = [vi.spyOn(native, 'sendmsg'), vi.spyOn(native, 'sendmmsg')];
    await sendMany(
      sender,
      Array.from({ length: 6 }, () => pattern(20_000)),
    );
    expect([gso.mock.calls.length, batch.mock.calls.length]).toEqual([2, 0]);
    expect((await receiveAll(receiver, 6)).map(({ length }) => length)).toEqual(
      new Array(6).fill(20_000),
    );
  });

  it('does not change a segment size that the user has set', async () => {
    const { sender } = await udp();
    const [level, option] = [kit.constant('SOL_UDP'), kit.constant('UDP_SEGMENT')];
    sender.setsockopt(level, option, 123);
    await sendMany(sender, [pattern(10)]);
    expect(sender.getsockopt(level, option)).toBe(123);
  });

  it('waits for a Unix receiver, and goes on where it stopped', async () => {
    const receiver = kit.create(kit.AF_UNIX, SOCK_DGRAM);
    receiver.bind('');
    const sender = await kit.connected(kit.AF_UNIX, SOCK_DGRAM, receiver.localAddress());
    const packets = Array.from({ length: 50 }, (_, i) => Buffer.from(String(i)));
    const sending = sendMany(sender, packets);
    expect(await kit.isSettled(sending)).toBe(false);
    expect(hex(await receiveAll(receiver, 50))).toEqual(hex(packets));
    await sending;
    expect(receiveDatagrams(receiver.descriptor, 1)).toBe(WOULD_BLOCK);
  });

  async function stuck(): Promise<{
    receiver: NativeSocket;
    sender: NativeSocket;
    packets: Buffer[];
    scope: kit.FakeScope;
    failure: ReturnType<typeof kit.rejection>;
  }> {
    const receiver = kit.create(kit.AF_UNIX, SOCK_DGRAM);
    receiver.bind('');
    const sender = await kit.connected(kit.AF_UNIX, SOCK_DGRAM, receiver.localAddress());
    const packets = Array.from({ length: 50 }, (_, i) => Buffer.from(new ArrayBuffer(1 + i)));
    const scope = new kit.FakeScope();
    return {
      receiver,
      sender,
      packets,
      scope,
      failure: scope.run(() => kit.rejection(sendMany(sender, packets))),
    };
  }
  const waiting = (receiver: NativeSocket): number =>
    (receiveDatagrams(receiver.descriptor, 100) as Uint8Array[]).length;

  it('an error half-way says how many packets were sent', async () => {
    const cancelled = await stuck();
    const reason = cancelled.scope.cancel();
    const error = await cancelled.failure;
    expect(error).toBeInstanceOf(CancelledError);
    expect(error.cause).toBe(reason);
    expect(error['packetsSent']).toBe(waiting(cancelled.receiver));
    await sendMany(cancelled.sender, [Buffer.from('x')]);

    const closed = await stuck();
    closed.sender.close();
    expect(await closed.failure).toBeInstanceOf(ClosedResourceError);
    expect((await closed.failure)['packetsSent']).toBe(waiting(closed.receiver));

    const failed = await stuck();
    failed.receiver.close();
    expect(await failed.failure).toMatchObject({
      code: 'ECONNREFUSED',
      packetsSent: expect.any(Number) as number,
    });

    const detached = await stuck();
    detach(detached.packets[49] as Buffer);
    const sent = waiting(detached.receiver);
    expect(await detached.failure).toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
      packetsSent: sent,
    });
  });

  it('an error before the first packet has no packetsSent', async () => {
    const { sender } = await udp();
    const gone = pattern(5);
    detach(gone);
    expect(await kit.rejection(sendMany(sender, [pattern(5), gone]))).toMatchObject({
      name: 'TypeError',
    });
    expect(await kit.rejection(sendMany(sender, [pattern(5), gone]))).not.toHaveProperty(
      'packetsSent',
    );
    await sendMany(sender, []);
  });

  it('makes no more calls in one turn than the budget allows, and goes on in the next', async () => {
    const { receiver, sender } = await udp();
    // In one segmented call only the last packet may be shorter, so these are sent two by two.
    const packets = Array.from({ length: 1000 }, (_, i) => pattern(i % 2 === 0 ? 2 : 1));
    await kit.renewBudget(sender);
    const calls = vi.spyOn(native, 'sendmsg');
    const sending = sendMany(sender, packets);
    const first = calls.mock.calls.length;
    expect(first).toBeGreaterThan(100);
    expect(first).toBeLessThan(300);
    await sending;
    expect(calls).toHaveBeenCalledTimes(500);
    expect((await receiveAll(receiver, 1000)).length).toBe(1000);
  });
});

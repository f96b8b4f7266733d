import { describe, expect, it } from 'vitest';
import { nativeBinding } from '#lib/binding';
import { expectNoLeaks } from '../../support/fds';
import * as kit from './kit';
import { pattern } from './memory';

expectNoLeaks();

const { iovMax } = nativeBinding().limits;
const MSG_TRUNC = kit.constant('MSG_TRUNC');
const packets = [
  ['datagram', kit.SOCK_DGRAM],
  ['seqpacket', kit.SOCK_SEQPACKET],
] as const;

describe('Socket.recvmsg', () => {
  it('scatters into buffers of any kind, in order', () => {
    const [left, right] = kit.pair();
    const memory = new Uint8Array(24).fill(0x2e);
    left.send(Buffer.from('0123456789'));
    const message = right.recvmsg([
      memory.subarray(1, 3),
      new Uint8Array(0),
      new DataView(memory.buffer, 5, 3),
      new Uint32Array(memory.buffer, 12, 2),
    ]);
    expect(message).toEqual({
      bytes: 10,
      flags: expect.any(Number) as number,
      address: null,
      ancillary: {},
    });
    expect(Buffer.from(memory).toString()).toBe('.01..234....56789.......');
  });

  it('returns null if it would block, and 0 bytes at the end of the stream', () => {
    const [left, right] = kit.pair();
    expect(right.recvmsg([Buffer.alloc(1)])).toBe(null);
    left.close();
    expect(right.recvmsg([Buffer.alloc(1)])).toMatchObject({ bytes: 0 });
  });

  it.each(packets)('tells that a %s was cut', (_name, type) => {
    const [left, right] = kit.pair(type);
    left.send(Buffer.from('0123456789'));
    left.send(Buffer.from('next'));
    const buffer = Buffer.alloc(4);
    expect(right.recvmsg([buffer])).toMatchObject({
      bytes: 4,
      flags: expect.toSatisfy((flags: number) => (flags & MSG_TRUNC) !== 0) as number,
    });
    expect(buffer.toString()).toBe('0123');
    expect(right.recvmsg([buffer])).toMatchObject({
      bytes: 4,
      flags: expect.toSatisfy((flags: number) => (flags & MSG_TRUNC) === 0) as number,
    });
    expect(buffer.toString()).toBe('next');
  });

  it('without any buffer, consumes a datagram and returns none of its bytes', () => {
    const [left, right] = kit.pair(kit.SOCK_DGRAM);
    left.send(Buffer.from('0123'));
    left.send(Buffer.alloc(0));
    const first = right.recvmsg([]);
    expect(first?.bytes).toBe(0);
    expect((first?.flags ?? 0) & MSG_TRUNC).toBe(MSG_TRUNC);
    const second = right.recvmsg([Buffer.alloc(5)]);
    expect(second?.bytes).toBe(0);
    expect((second?.flags ?? 0) & MSG_TRUNC).toBe(0);
    expect(right.recvmsg([])).toBe(null);
  });

  it.each(packets)('a %s fills more than IOV_MAX buffers', (_name, type) => {
    const [left, right] = kit.pair(type);
    const data = pattern(3 * (iovMax + 5));
    left.send(data);
    const buffers = Array.from({ length: data.length / 3 + 4 }, () => new Uint8Array(3));
    expect(right.recvmsg(buffers)).toMatchObject({ bytes: data.length });
    expect(Buffer.concat(buffers).subarray(0, data.length).equals(data)).toBe(true);
    left.send(data);
    const fewer = buffers.slice(0, iovMax + 1);
    expect(right.recvmsg(fewer)).toMatchObject({
      bytes: 3 * (iovMax + 1),
      flags: expect.toSatisfy((flags: number) => (flags & MSG_TRUNC) !== 0) as number,
    });
    expect(Buffer.concat(fewer).equals(data.subarray(0, 3 * (iovMax + 1)))).toBe(true);
  });

  it('a stream fills the first IOV_MAX of its buffers', () => {
    const [left, right] = kit.pair();
    left.send(pattern(3 * iovMax));
    const buffers = Array.from({ length: iovMax + 5 }, () => new Uint8Array(2));
    expect(right.recvmsg(buffers)?.bytes).toBe(2 * iovMax);
    expect(right.recvmsg(buffers)?.bytes).toBe(iovMax);
  });

  it('with MSG_PEEK, consumes nothing', () => {
    const [left, right] = kit.pair();
    left.send(Buffer.from('x'));
    expect(right.recvmsg([Buffer.alloc(5)], 0, kit.constant('MSG_PEEK'))?.bytes).toBe(1);
    expect(right.recvmsg([Buffer.alloc(5)])?.bytes).toBe(1);
  });

  it.each([
    ['IPv4', kit.AF_INET],
    ['IPv6', kit.AF_INET6],
  ])('names the sender over %s', async (_name, family) => {
    const receiver = kit.bound(kit.SOCK_DGRAM, family);
    const sender = kit.bound(kit.SOCK_DGRAM, family);
    sender.socket.sendmsg([Buffer.from('x')], { address: receiver.address });
    await receiver.socket.readable();
    expect(receiver.socket.recvmsg([Buffer.alloc(5)])?.address).toEqual(sender.address);
  });

  it.each(packets)('an unnamed Unix sender of a %s is the empty path', (_name, type) => {
    const [left, right] = kit.pair(type);
    left.send(Buffer.from('x'));
    expect(right.recvmsg([Buffer.alloc(5)])?.address).toBe('');
  });
});

describe('Socket.sendmsg', () => {
  it('gathers buffers of any kind, in order', () => {
    const [left, right] = kit.pair();
    const bytes = pattern(30);
    expect(
      left.sendmsg([
        bytes.subarray(1, 4),
        new DataView(bytes.buffer, 5, 2),
        new Uint8Array(0),
        new Uint16Array(bytes.buffer, 10, 2),
      ]),
    ).toBe(9);
    expect([...kit.drain(right)]).toEqual([
      ...bytes.subarray(1, 4),
      ...bytes.subarray(5, 7),
      ...bytes.subarray(10, 14),
    ]);
  });

  it('returns null if it would block, and 0 if there is nothing to send', () => {
    const [left, right] = kit.pair();
    expect(left.sendmsg([])).toBe(0);
    expect(left.sendmsg([Buffer.alloc(0)])).toBe(0);
    kit.fill(left);
    expect(left.sendmsg([Buffer.from('x')])).toBe(null);
    kit.drain(right);
  });

  it('without buffers, sends an empty datagram', () => {
    const [left, right] = kit.pair(kit.SOCK_DGRAM);
    expect(left.sendmsg([])).toBe(0);
    expect(left.sendmsg([Buffer.alloc(0), Buffer.alloc(0)])).toBe(0);
    expect(right.recv(Buffer.alloc(1))).toBe(0);
    expect(right.recv(Buffer.alloc(1))).toBe(0);
    expect(right.recv(Buffer.alloc(1))).toBe(null);
  });

  it('sends a part of more than IOV_MAX buffers on a stream', () => {
    const [left, right] = kit.pair();
    expect(left.sendmsg(new Array<Buffer>(2 * iovMax).fill(Buffer.from('xy')))).toBe(2 * iovMax);
    expect(kit.drain(right).length).toBe(2 * iovMax);
  });

  it.each(packets)('more than IOV_MAX buffers: a %s goes whole', (_name, type) => {
    const [left, right] = kit.pair(type);
    const data = pattern(2 * (iovMax + 50));
    const buffers = Array.from({ length: data.length / 2 }, (_, i) =>
      data.subarray(2 * i, 2 * i + 2),
    );
    expect(left.sendmsg(buffers)).toBe(data.length);
    const received = Buffer.alloc(2 * data.length);
    expect(right.recv(received)).toBe(data.length);
    expect(received.subarray(0, data.length).equals(data)).toBe(true);
  });

  it('a datagram that is too long is EMSGSIZE, and nothing is sent', async () => {
    const receiver = kit.bound(kit.SOCK_DGRAM);
    const sender = await kit.connected(kit.AF_INET, kit.SOCK_DGRAM, receiver.address);
    expect(kit.thrown(() => sender.sendmsg([Buffer.alloc(65_508)]))).toMatchObject({
      code: 'EMSGSIZE',
      syscall: 'sendmsg',
    });
    expect(sender.sendmsg([Buffer.alloc(65_507)])).toBe(65_507);
    expect((await kit.receiveDatagram(receiver.socket)).length).toBe(65_507);
  });

  it('names the address in an error', () => {
    const socket = kit.create(kit.AF_UNIX, kit.SOCK_DGRAM);
    expect(
      kit.thrown(() => socket.sendmsg([Buffer.from('x')], { address: '/no/such/socket' })),
    ).toMatchObject({
      code: 'ENOENT',
      errno: -2,
      syscall: 'sendmsg',
      path: '/no/such/socket',
    });
    const inet = kit.create(kit.AF_INET, kit.SOCK_DGRAM);
    expect(
      kit.thrown(() =>
        inet.sendmsg([Buffer.from('x')], {
          address: { address: '255.255.255.255', port: 9, family: 'IPv4' },
        }),
      ),
    ).toMatchObject({
      code: 'EACCES',
      address: '255.255.255.255',
      port: 9,
    });
    expect(kit.thrown(() => inet.sendmsg([Buffer.from('x')]))).toMatchObject({
      code: 'EDESTADDRREQ',
    });
    expect(kit.thrown(() => inet.sendmsg([Buffer.from('x')], { address: '' }))).toHaveProperty(
      'code',
    );
  });

  it('checks options before anything is sent', () => {
    const [left, right] = kit.pair(kit.SOCK_DGRAM);
    const data = [Buffer.from('x')];
    for (const options of [
      null,
      5,
      { flags: '1' },
      { flags: null },
      { ancillary: null },
      { ancillary: { fds: 1 } },
      { address: null },
      { address: 5 },
    ]) {
      expect(() => left.sendmsg(data, options as never), JSON.stringify(options)).toThrow(
        TypeError,
      );
    }
    expect(() => left.sendmsg(data, { flags: -1 })).toThrow(RangeError);
    expect(right.recv(Buffer.alloc(1))).toBe(null);
  });
});

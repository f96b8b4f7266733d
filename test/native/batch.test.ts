import { afterEach, describe, expect, it } from 'vitest';
import { expectNoLeaks } from '../support/fds';
import {
  bound,
  closeAll,
  decode,
  EAGAIN,
  EBADF,
  EINVAL,
  limits,
  localAddress,
  native,
  ok,
  outcome,
  pair,
  readiness,
  SOCK_DGRAM,
  SOCK_STREAM,
} from './kit';

expectNoLeaks();
afterEach(closeAll);

const text = (value: string): Buffer => Buffer.from(value);
const SIZE = 100;

function receive(fd: number, count: number, size = SIZE): string[] {
  const slab = new Uint8Array(size * count);
  const sizes = new Int32Array(count);
  const received = ok(native.recvmmsg(fd, slab, size, count, sizes, null, null));
  return Array.from({ length: received }, (_, i) => {
    const length = sizes[i] ?? 0;
    return length < 0
      ? String(outcome(length))
      : Buffer.from(slab.subarray(i * size, i * size + length)).toString();
  });
}

describe('recvmmsg', () => {
  it('receives the waiting datagrams, in order, into slots of the slab', () => {
    const [left, right] = pair(SOCK_DGRAM);
    const sizes = new Int32Array(4);
    expect(native.recvmmsg(right, new Uint8Array(4 * SIZE), SIZE, 4, sizes, null, null)).toBe(
      EAGAIN,
    );
    for (const message of ['one', '', 'three', 'four', 'five', 'six'])
      ok(native.send(left, text(message), 0, 0));
    expect(receive(right, 4)).toEqual(['one', '', 'three', 'four']);
    expect(receive(right, 4)).toEqual(['five', 'six']);
  });

  it('marks a datagram that did not fit, and leaves the others whole', () => {
    const [left, right] = pair(SOCK_DGRAM);
    for (const message of ['ok', 'too long', 'fits']) ok(native.send(left, text(message), 0, 0));
    expect(receive(right, 3, 4)).toEqual(['ok', 'EMSGSIZE', 'fits']);
  });

  it('returns the addresses of the senders', async () => {
    const [one, two, server] = [bound(SOCK_DGRAM), bound(SOCK_DGRAM), bound(SOCK_DGRAM)];
    const { bytes, length } = localAddress(server);
    for (const fd of [one, two, one])
      ok(native.sendmsg(fd, [text('x')], 0, bytes, length, null, 0, 0));
    await readiness(server, 1);
    const names = new Uint8Array(3 * limits.sockaddrMax);
    const lengths = new Int32Array(3);
    expect(
      native.recvmmsg(server, new Uint8Array(3), 1, 3, new Int32Array(3), names, lengths),
    ).toBe(3);
    const senders = [...lengths].map((size, i) =>
      decode({ bytes: names.subarray(i * limits.sockaddrMax), length: size }),
    );
    expect(senders).toEqual([one, two, one].map((fd) => decode(localAddress(fd))));
  });

  it('receives at most 256 datagrams', () => {
    const [left, right] = pair(SOCK_DGRAM);
    let sent = 0;
    while (native.send(left, text('x'), 0, 0) === 1) sent++;
    expect(receive(right, 1000)).toHaveLength(Math.min(sent, 256));
    const more = new Uint8Array(1000);
    expect(native.recvmmsg(right, more, 1, 1000, new Int32Array(1000), null, null)).not.toBe(
      EINVAL,
    );
  });

  it('reports a pending error of the socket, and goes on to work', async () => {
    const [one, two] = [bound(SOCK_DGRAM), bound(SOCK_DGRAM)];
    const { bytes, length } = localAddress(two);
    ok(native.connect(one, bytes, length));
    ok(native.close(two));
    ok(native.send(one, text('to nobody'), 0, 0));
    await readiness(one, 1);
    expect(
      outcome(native.recvmmsg(one, new Uint8Array(8), 8, 1, new Int32Array(1), null, null)),
    ).toBe('ECONNREFUSED');
    expect(native.recvmmsg(one, new Uint8Array(8), 8, 1, new Int32Array(1), null, null)).toBe(
      EAGAIN,
    );
  });

  it('refuses a slab, sizes or names that are too small', () => {
    const [, right] = pair(SOCK_DGRAM);
    const [slab, sizes, names, lengths] = [
      new Uint8Array(400),
      new Int32Array(4),
      new Uint8Array(512),
      new Int32Array(4),
    ];
    expect(native.recvmmsg(right, slab, 100, 5, new Int32Array(5), null, null)).toBe(EINVAL);
    expect(native.recvmmsg(right, slab, 2 ** 52, 4096, new Int32Array(4096), null, null)).toBe(
      EINVAL,
    );
    expect(native.recvmmsg(right, slab, 101, 4, sizes, null, null)).toBe(EINVAL);
    expect(native.recvmmsg(right, slab, 100, 4, new Int32Array(3), null, null)).toBe(EINVAL);
    expect(native.recvmmsg(right, slab, 100, 4, sizes, names.subarray(1), lengths)).toBe(EINVAL);
    expect(native.recvmmsg(right, slab, 100, 4, sizes, names, new Int32Array(3))).toBe(EINVAL);
    expect(native.recvmmsg(right, slab, 100, 4, sizes, names, null)).toBe(EINVAL);
    expect(native.recvmmsg(right, slab, -1, 4, sizes, null, null)).toBe(EINVAL);
    expect(native.recvmmsg(right, slab, 100, 4, sizes, names, lengths)).toBe(EAGAIN);
    expect(native.recvmmsg(right, slab, 0, 4, sizes, null, null)).toBe(EAGAIN);
    expect(native.recvmmsg(-1, slab, 100, 4, sizes, null, null)).toBe(EBADF);
  });
});

describe('sendmmsg', () => {
  it('sends each packet as a datagram, from the given packet on', () => {
    const [left, right] = pair(SOCK_DGRAM);
    const packets = [
      text('zero'),
      text('one'),
      Buffer.alloc(0),
      new DataView(new Uint8Array([1, 65, 66]).buffer, 1),
    ];
    expect(native.sendmmsg(left, packets, 1, null, 0)).toBe(3);
    expect(receive(right, 8)).toEqual(['one', '', 'AB']);
    expect(native.sendmmsg(left, packets, 4, null, 0)).toBe(0);
    expect(native.sendmmsg(left, packets, 5, null, 0)).toBe(EINVAL);
    expect(native.sendmmsg(left, [], 0, null, 0)).toBe(0);
  });

  it('sends to an address', async () => {
    const [one, two] = [bound(SOCK_DGRAM), bound(SOCK_DGRAM)];
    const { bytes, length } = localAddress(two);
    expect(native.sendmmsg(one, [text('a'), text('b')], 0, bytes, length)).toBe(2);
    await readiness(two, 1);
    expect(receive(two, 4)).toEqual(['a', 'b']);
    expect(outcome(native.sendmmsg(one, [text('a')], 0, null, 0))).toBe('EDESTADDRREQ');
  });

  it('sends what fits, at most 256 datagrams per call, and then returns UV_EAGAIN', () => {
    const [left, right] = pair(SOCK_DGRAM);
    const packets = Array.from({ length: 1000 }, (_, i) => text(String(i)));
    let sent = 0;
    const received: string[] = [];
    for (let round = 0; sent < packets.length && round < 1000; round++) {
      const count = native.sendmmsg(left, packets, sent, null, 0);
      expect(count).toBeLessThanOrEqual(256);
      if (count === EAGAIN) received.push(...receive(right, 300));
      else sent += ok(count);
    }
    for (let more = receive(right, 300); ; more = receive(right, 300)) {
      received.push(...more);
      if (received.length >= 1000) break;
    }
    expect(received).toEqual(packets.map(String));
  });

  it('returns how many datagrams were sent before one that cannot be sent', () => {
    const [left, right] = pair(SOCK_DGRAM);
    const packets = [text('fine'), Buffer.alloc(16 * 1024 * 1024), text('never')];
    expect(native.sendmmsg(left, packets, 0, null, 0)).toBe(1);
    expect(outcome(native.sendmmsg(left, packets, 1, null, 0))).toBe('EMSGSIZE');
    expect(receive(right, 4)).toEqual(['fine']);
  });

  it('refuses packets that are no views, and a name that is longer than its view', () => {
    const [left, right] = pair(SOCK_DGRAM);
    expect(native.sendmmsg(left, [text('x'), 1 as never], 0, null, 0)).toBe(EINVAL);
    expect(native.sendmmsg(left, 'x' as never, 0, null, 0)).toBe(EINVAL);
    expect(native.sendmmsg(left, [text('x')], 0, new Uint8Array(8), 9)).toBe(EINVAL);
    expect(native.recv(right, Buffer.alloc(1), 0)).toBe(EAGAIN);
    expect(outcome(native.sendmmsg(bound(SOCK_STREAM), [text('x')], 0, null, 0))).toBe('EPIPE');
  });
});

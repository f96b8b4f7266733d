import { afterEach, describe, expect, it } from 'vitest';
import { expectNoLeaks } from '../support/fds';
import { shortSocketPath } from '../support/socket-path';
import {
  AF_INET,
  AF_UNIX,
  bound,
  closeAll,
  constant,
  decode,
  drain,
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
  socket,
  tcpPair,
  unix,
} from './kit';

expectNoLeaks();
afterEach(closeAll);

const SEQPACKET = constant('SOCK_SEQPACKET');
const TRUNC = constant('MSG_TRUNC');
const text = (value: string): Buffer => Buffer.from(value);

/** Calls sendmsg without a name and control data. */
const gather = (fd: number, buffers: readonly ArrayBufferView[], skip = 0): number =>
  native.sendmsg(fd, buffers, skip, null, 0, null, 0, 0);

describe('recv', () => {
  it('returns UV_EAGAIN without data, a count with data, and 0 at the end of the stream', () => {
    const [left, right] = pair();
    const buffer = Buffer.alloc(4);
    expect(native.recv(right, buffer, 0)).toBe(EAGAIN);
    ok(native.send(left, text('abcdef'), 0, 0));
    expect(native.recv(right, buffer, 0)).toBe(4);
    expect(buffer.toString()).toBe('abcd');
    expect(native.recv(right, buffer, 0)).toBe(2);
    expect(native.recv(right, buffer, 0)).toBe(EAGAIN);
    ok(native.close(left));
    expect(native.recv(right, buffer, 0)).toBe(0);
    expect(native.recv(right, buffer, 0)).toBe(0);
  });

  it('takes flags: a peek consumes nothing', () => {
    const [left, right] = pair();
    ok(native.send(left, text('abc'), 0, 0));
    const buffer = Buffer.alloc(8);
    expect(native.recv(right, buffer, constant('MSG_PEEK'))).toBe(3);
    expect(native.recv(right, buffer, 0)).toBe(3);
  });

  it('returns 0 for an empty view, and consumes a datagram', () => {
    const [left, right] = pair(SOCK_DGRAM);
    ok(native.send(left, text('abc'), 0, 0));
    expect(native.recv(right, Buffer.alloc(0), 0)).toBe(0);
    expect(native.recv(right, Buffer.alloc(0), 0)).toBe(EAGAIN);
  });

  it('returns the full length of a truncated datagram if MSG_TRUNC is set', () => {
    const [left, right] = pair(SOCK_DGRAM);
    ok(native.send(left, Buffer.alloc(1000), 0, 0));
    expect(native.recv(right, Buffer.alloc(10), TRUNC)).toBe(1000);
  });

  it('fails on a closed fd', () => {
    expect(native.recv(-1, Buffer.alloc(1), 0)).toBe(EBADF);
    expect(native.send(-1, Buffer.alloc(1), 0, 0)).toBe(EBADF);
  });
});

describe('send', () => {
  it('sends from an offset', () => {
    const [left, right] = pair();
    expect(native.send(left, text('abcdef'), 4, 0)).toBe(2);
    expect(native.send(left, text('abcdef'), 6, 0)).toBe(0);
    expect(drain(right).toString()).toBe('ef');
  });

  it('sends an empty datagram', () => {
    const [left, right] = pair(SOCK_DGRAM);
    expect(native.send(left, Buffer.alloc(0), 0, 0)).toBe(0);
    expect(native.recv(right, Buffer.alloc(1), 0)).toBe(0);
    expect(native.recv(right, Buffer.alloc(1), 0)).toBe(EAGAIN);
  });

  it('sends what fits, and then returns UV_EAGAIN', () => {
    const [left, right] = pair();
    const large = Buffer.alloc(16 * 1024 * 1024, 'x');
    const sent = ok(native.send(left, large, 0, 0));
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(large.length);
    expect(native.send(left, large, sent, 0)).toBe(EAGAIN);
    expect(drain(right)).toHaveLength(sent);
  });

  it('returns a code for a closed peer, and raises no signal', () => {
    const [left, right] = pair();
    ok(native.close(right));
    expect(outcome(native.send(left, text('x'), 0, 0))).toBe('EPIPE');
    expect(outcome(gather(left, [text('x')]))).toBe('EPIPE');
  });

  it('refuses a datagram that is larger than the send buffer', () => {
    const [left] = pair(SOCK_DGRAM);
    expect(outcome(native.send(left, Buffer.alloc(16 * 1024 * 1024), 0, 0))).toBe('EMSGSIZE');
  });
});

describe('sendmsg', () => {
  it('gathers in order, skips the given bytes, and passes over empty and detached views', () => {
    const detached = new Uint8Array(5);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const buffers = [
      text('ab'),
      Buffer.alloc(0),
      text('cde'),
      detached,
      new DataView(Uint8Array.from(text('fgh')).buffer, 1),
      text(''),
    ];
    const whole = 'abcdegh';
    for (let skip = 0; skip <= whole.length; skip++) {
      const [left, right] = pair();
      expect(gather(left, buffers, skip)).toBe(whole.length - skip);
      expect(drain(right).toString()).toBe(whole.slice(skip));
      closeAll();
    }
  });

  it('sends nothing, or an empty datagram, without bytes or with a skip beyond them', () => {
    for (const [buffers, skip] of [
      [[], 0],
      [[Buffer.alloc(0)], 0],
      [[text('abc')], 3],
      [[text('abc')], 2 ** 53 - 1],
      [[], 7],
    ] as const) {
      const [stream] = pair();
      expect(gather(stream, buffers, skip)).toBe(0);
      const [left, right] = pair(SOCK_DGRAM);
      expect(gather(left, buffers, skip)).toBe(0);
      expect(native.recv(right, Buffer.alloc(1), 0)).toBe(0);
      expect(native.recv(right, Buffer.alloc(1), 0)).toBe(EAGAIN);
    }
  });

  it('sends the first IOV_MAX of more buffers, and returns their size', () => {
    const { iovMax } = limits;
    const [left, right] = pair();
    const buffers = Array.from({ length: 3 * iovMax + 5 }, (_, i) => Uint8Array.of(i, i >> 8));
    const total = buffers.length * 2;
    let sent = 0;
    const counts: number[] = [];
    while (sent < total) {
      const count = ok(gather(left, buffers, sent));
      counts.push(count);
      sent += count;
    }
    expect(counts).toEqual([2 * iovMax, 2 * iovMax, 2 * iovMax, 10]);
    expect(Buffer.compare(drain(right), Buffer.concat(buffers))).toBe(0);
  });

  it('resumes inside of a buffer after a partial send', () => {
    const [left, right] = pair();
    const buffers = Array.from({ length: 50 }, (_, i) => Buffer.alloc(60_000, i));
    const total = 50 * 60_000;
    const parts: Buffer[] = [];
    for (let sent = 0; sent < total;) {
      const count = gather(left, buffers, sent);
      if (count === EAGAIN) parts.push(drain(right));
      else sent += ok(count);
    }
    parts.push(drain(right));
    expect(Buffer.compare(Buffer.concat(parts), Buffer.concat(buffers))).toBe(0);
  });

  it('sends to an address', () => {
    const [one, two] = [bound(SOCK_DGRAM), bound(SOCK_DGRAM)];
    const { bytes, length } = localAddress(two);
    expect(native.sendmsg(one, [text('a'), text('b')], 0, bytes, length, null, 0, 0)).toBe(2);
    expect(outcome(native.sendmsg(one, [text('a')], 0, bytes, 0, null, 0, 0))).toBe('EDESTADDRREQ');
  });

  it('refuses values that are no views, and lengths beyond the name or the control data', () => {
    const [left, right] = pair();
    const { bytes, length } = unix(shortSocketPath());
    expect(gather(left, [text('x'), 'y' as never])).toBe(EINVAL);
    expect(gather(left, text('x') as never)).toBe(EINVAL);
    expect(gather(left, new Proxy([text('x')], {}))).toBe(EINVAL);
    expect(gather(left, [text('x')], -1)).toBe(EINVAL);
    expect(native.sendmsg(left, [], 0, bytes, limits.sockaddrMax + 1, null, 0, 0)).toBe(EINVAL);
    expect(native.sendmsg(left, [], 0, null, length, null, 0, 0)).toBe(EINVAL);
    expect(native.sendmsg(left, [], 0, null, 0, new Uint8Array(8), 9, 0)).toBe(EINVAL);
    expect(native.sendmsg(left, [], 0, null, 0, null, 1, 0)).toBe(EINVAL);
    expect(native.recv(right, Buffer.alloc(1), 0)).toBe(EAGAIN);
  });

  it('an element that is a getter cannot free the memory of another element', () => {
    const [left, right] = pair();
    const victim = new Uint8Array(100_000).fill(1);
    const buffers: Uint8Array[] = [victim];
    Object.defineProperty(buffers, 1, {
      get: () => {
        structuredClone(victim.buffer, { transfer: [victim.buffer] });
        return text('tail');
      },
    });
    expect(gather(left, buffers)).toBe(4);
    expect(drain(right).toString()).toBe('tail');
    const failing = [text('x')];
    Object.defineProperty(failing, 1, {
      get: () => {
        throw new RangeError('from the getter');
      },
    });
    expect(() => gather(left, failing)).toThrow('from the getter');
    expect(native.recv(right, Buffer.alloc(1), 0)).toBe(EAGAIN);
  });
});

describe('sendto and recvfrom', () => {
  const result = new Int32Array(2);

  function boundUdp(): { fd: number; name: Uint8Array; length: number } {
    const fd = socket(AF_INET, SOCK_DGRAM);
    const name = new Uint8Array(limits.sockaddrMax);
    ok(native.bind(fd, name, ok(native.encodeInet(name, '127.0.0.1', 0, 0, 0))));
    return { fd, name, length: ok(native.getsockname(fd, name)) };
  }

  it('move one datagram, and the address of its sender', () => {
    const [sender, receiver] = [boundUdp(), boundUdp()];
    const name = new Uint8Array(limits.sockaddrMax);
    for (const data of [text('hello'), Buffer.alloc(0)]) {
      expect(native.sendto(sender.fd, data, receiver.name, receiver.length)).toBe(data.length);
      const buffer = Buffer.alloc(10);
      expect(native.recvfrom(receiver.fd, buffer, name, result)).toBe(data.length);
      expect(Buffer.compare(buffer.subarray(0, data.length), data)).toBe(0);
      expect([...result]).toEqual([0, sender.length]);
      expect(name.subarray(0, sender.length)).toEqual(sender.name.subarray(0, sender.length));
    }
    expect(native.recvfrom(receiver.fd, Buffer.alloc(10), name, result)).toBe(EAGAIN);
  });

  it('report a truncated datagram, and work without a name', () => {
    const [left, right] = pair(SOCK_DGRAM);
    ok(native.send(left, text('hello'), 0, 0));
    const buffer = Buffer.alloc(4);
    expect(native.recvfrom(right, buffer.subarray(0, 3), null, result)).toBe(3);
    expect([...result]).toEqual([TRUNC, 0]);
    expect(buffer.toString('latin1')).toBe('hel\0');
  });

  it('return the codes of the kernel, refuse invalid arguments before, and raise no signal', () => {
    const { fd, name, length } = boundUdp();
    expect(outcome(native.sendto(fd, Buffer.alloc(70_000), name, length))).toBe('EMSGSIZE');
    expect(native.sendto(-1, text('x'), name, length)).toBe(EBADF);
    expect(native.recvfrom(-1, Buffer.alloc(1), null, result)).toBe(EBADF);
    expect(native.sendto(fd, text('x'), name, name.length + 1)).toBe(EINVAL);
    expect(native.sendto(fd, text('x'), null as never, 0)).toBe(EINVAL);
    expect(native.sendto(fd, 'x' as never, name, length)).toBe(EINVAL);
    expect(native.recvfrom(fd, [Buffer.alloc(1)] as never, null, result)).toBe(EINVAL);
    expect(native.recvfrom(fd, Buffer.alloc(1), null, result)).toBe(EAGAIN);
    const [left, right] = pair();
    ok(native.close(right));
    expect(native.sendto(left, text('x'), name, length)).toBeLessThan(0);
  });
});

describe('sendv and recvv', () => {
  it('gather and scatter their arguments', () => {
    const [left, right] = pair();
    const detached = new Uint8Array(5);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const parts = [
      text('ab'),
      Buffer.alloc(0),
      detached,
      text('cde'),
      new DataView(Uint8Array.from(text('xfg')).buffer, 1),
    ];
    for (let skip = 0; skip <= 7; skip++) {
      expect(native.sendv(left, 0, skip, ...parts)).toBe(7 - skip);
      const [one, two] = [Buffer.alloc(2), Buffer.alloc(9)];
      expect(native.recvv(right, 0, one, Buffer.alloc(0), two)).toBe(
        skip === 7 ? EAGAIN : 7 - skip,
      );
      expect(Buffer.concat([one, two]).toString('latin1', 0, 7 - skip)).toBe('abcdefg'.slice(skip));
    }
  });

  it('take limits.directMax buffers at most', () => {
    const [left, right] = pair();
    const { directMax } = limits;
    const parts = Array.from({ length: directMax + 10 }, (_, i) => Uint8Array.of(i));
    expect(native.sendv(left, 0, 0, ...parts)).toBe(directMax);
    expect(native.sendv(left, 0, directMax - 1, ...parts)).toBe(1);
    const into = Array.from({ length: directMax + 10 }, () => new Uint8Array(1));
    expect(native.recvv(right, 0, ...into)).toBe(directMax);
    expect(
      Buffer.compare(
        Buffer.concat(into.slice(0, directMax)),
        Buffer.concat(parts.slice(0, directMax)),
      ),
    ).toBe(0);
    expect(drain(right)).toEqual(Buffer.from([directMax - 1]));
  });

  it('move an empty datagram if there are no buffers', () => {
    const [left, right] = pair(SOCK_DGRAM);
    expect(native.sendv(left, 0, 0)).toBe(0);
    expect(native.recvv(right, 0)).toBe(0);
    expect(native.recvv(right, 0)).toBe(EAGAIN);
    expect(native.sendv(left, 0, 5, Buffer.alloc(3))).toBe(0);
    expect(native.recvv(right, 0, Buffer.alloc(1))).toBe(0);
  });

  it('refuse values that are no views, and raise no signal', () => {
    const [left, right] = pair();
    expect(native.sendv(left, 0, 0, text('x'), 'y' as never)).toBe(EINVAL);
    expect(native.sendv(left, 0, -1, text('x'))).toBe(EINVAL);
    expect((native.sendv as (...args: unknown[]) => number)(left, 0)).toBe(EINVAL);
    expect((native.recvv as (...args: unknown[]) => number)(left)).toBe(EINVAL);
    expect(native.recvv(left, 0, [text('x')] as never)).toBe(EINVAL);
    expect(native.recv(right, Buffer.alloc(1), 0)).toBe(EAGAIN);
    ok(native.close(right));
    expect(outcome(native.sendv(left, 0, 0, text('x')))).toBe('EPIPE');
    expect(native.recvv(left, 0, Buffer.alloc(1))).toBe(0);
  });
});

describe('recvmsg', () => {
  const result = new Int32Array(3);

  it('scatters in order, and passes over empty views', () => {
    const [left, right] = pair();
    ok(native.send(left, text('abcdefgh'), 0, 0));
    const buffers = [Buffer.alloc(3), Buffer.alloc(0), new Uint8Array(2), Buffer.alloc(10, '.')];
    expect(native.recvmsg(right, buffers, null, null, result, 0)).toBe(8);
    expect(buffers.map((buffer) => Buffer.from(buffer).toString())).toEqual([
      'abc',
      '',
      'de',
      'fgh.......',
    ]);
    expect([...result]).toEqual([0, 0, 0]);
    expect(native.recvmsg(right, buffers, null, null, result, 0)).toBe(EAGAIN);
  });

  it('fills the first IOV_MAX of more views', () => {
    const [left, right] = pair();
    const buffers = Array.from({ length: limits.iovMax + 3 }, () => new Uint8Array(1));
    ok(native.send(left, Buffer.alloc(limits.iovMax + 3, 7), 0, 0));
    expect(native.recvmsg(right, buffers, null, null, result, 0)).toBe(limits.iovMax);
    expect(buffers.findIndex(([byte]) => byte === 0)).toBe(limits.iovMax);
  });

  it('reports a truncated datagram', () => {
    const [left, right] = pair(SOCK_DGRAM);
    ok(native.send(left, text('abcdef'), 0, 0));
    ok(native.send(left, text('next'), 0, 0));
    const buffers = [Buffer.alloc(2), Buffer.alloc(2)];
    expect(native.recvmsg(right, buffers, null, null, result, 0)).toBe(4);
    expect(result[0]).toBe(TRUNC);
    expect(native.recvmsg(right, buffers, null, null, result, 0)).toBe(4);
    expect(result[0]).toBe(0);
    ok(native.send(left, text('abc'), 0, 0));
    expect(native.recvmsg(right, [], null, null, result, 0)).toBe(0);
    expect(result[0]).toBe(TRUNC);
  });

  it('keeps packets apart on a SOCK_SEQPACKET socket, and reports its end', () => {
    const [left, right] = pair(SEQPACKET);
    ok(native.send(left, text('ab'), 0, 0));
    expect(native.recvmsg(right, [Buffer.alloc(9)], null, null, result, 0)).toBe(2);
    ok(native.send(left, text('cd'), 0, 0));
    ok(native.send(left, text('ef'), 0, 0));
    expect(native.recvmsg(right, [Buffer.alloc(1)], null, null, result, 0)).toBe(1);
    expect((result[0] ?? 0) & TRUNC).toBe(TRUNC);
    expect(native.recvmsg(right, [Buffer.alloc(9)], null, null, result, 0)).toBe(2);
    ok(native.close(left));
    expect(native.recvmsg(right, [Buffer.alloc(9)], null, null, result, 0)).toBe(0);
    expect(result[0]).toBe(0);
  });

  it('returns the address of the sender: inet, a Unix path, or no name', async () => {
    const [one, two] = [bound(SOCK_DGRAM), bound(SOCK_DGRAM)];
    const to = localAddress(two);
    ok(native.sendmsg(one, [text('x')], 0, to.bytes, to.length, null, 0, 0));
    await readiness(two, 1);
    const name = new Uint8Array(limits.sockaddrMax);
    ok(native.recvmsg(two, [Buffer.alloc(1)], name, null, result, 0));
    expect(decode({ bytes: name, length: result[1] ?? 0 })).toEqual(decode(localAddress(one)));

    const [server, named, unnamed] = [
      socket(AF_UNIX, SOCK_DGRAM),
      socket(AF_UNIX, SOCK_DGRAM),
      socket(AF_UNIX, SOCK_DGRAM),
    ];
    const [path, own] = [unix(shortSocketPath()), unix(shortSocketPath())];
    ok(native.bind(server, path.bytes, path.length));
    ok(native.bind(named, own.bytes, own.length));
    ok(native.sendmsg(named, [text('x')], 0, path.bytes, path.length, null, 0, 0));
    ok(native.sendmsg(unnamed, [text('x')], 0, path.bytes, path.length, null, 0, 0));
    ok(native.recvmsg(server, [Buffer.alloc(1)], name, null, result, 0));
    expect(Buffer.compare(name.subarray(0, result[1]), own.bytes.subarray(0, own.length))).toBe(0);
    ok(native.recvmsg(server, [Buffer.alloc(1)], name, null, result, 0));
    expect(result[1]).toBe(0);
  });

  it('refuses values that are no views', () => {
    const [, right] = pair();
    expect(native.recvmsg(right, [1] as never, null, null, result, 0)).toBe(EINVAL);
    expect(native.recvmsg(right, [], 'name' as never, null, result, 0)).toBe(EINVAL);
    expect(native.recvmsg(right, [], undefined as never, null, result, 0)).toBe(EINVAL);
  });
});

describe('a TCP connection', () => {
  it('reports a reset once', async () => {
    const [client, server] = await tcpPair();
    const linger = new Int32Array([1, 0]);
    ok(native.setsockoptBytes(client, constant('SOL_SOCKET'), constant('SO_LINGER'), linger));
    ok(native.close(client));
    await readiness(server, 1);
    expect(outcome(native.recv(server, Buffer.alloc(1), 0))).toBe('ECONNRESET');
    expect(native.recv(server, Buffer.alloc(1), 0)).toBe(0);
  });

  it('moves urgent data', async () => {
    const [client, server] = await tcpPair();
    expect(native.send(client, text('!'), 0, constant('MSG_OOB'))).toBe(1);
    await readiness(server, 4);
    const buffer = Buffer.alloc(1);
    expect(native.recv(server, buffer, constant('MSG_OOB'))).toBe(1);
    expect(buffer.toString()).toBe('!');
  });
});

import { describe, expect, it } from 'vitest';
import type { Bytes } from '#lib/contract/bytes';
import { expectNoLeaks } from '../../support/fds';
import * as kit from './kit';
import { detach, resizable } from './memory';

expectNoLeaks();

const { SOCK_DGRAM, SOL_SOCKET } = kit;
const MSG_PEEK = kit.constant('MSG_PEEK');

type ViewConstructor = new (buffer: ArrayBufferLike, offset: number, length: number) => Bytes;
const views: readonly ViewConstructor[] = [
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array, DataView,
]; // prettier-ignore
const memories: Record<string, (size: number) => ArrayBufferLike> = {
  ArrayBuffer: (size) => new ArrayBuffer(size),
  SharedArrayBuffer: (size) => new SharedArrayBuffer(size),
  'resizable ArrayBuffer': (size) => resizable.buffer(size),
  "Buffer's pool": () => Buffer.from('x').buffer,
};

/** A view of three elements, at an odd offset of its memory if the kind of view allows that. */
function viewOf(View: ViewConstructor, memory: ArrayBufferLike): Bytes {
  const { BYTES_PER_ELEMENT: size = 1 } = View as { BYTES_PER_ELEMENT?: number };
  return new View(memory, 3 * size, 3);
}

const bytesOf = (view: Bytes): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

describe.each(Object.entries(memories))('memory of kind %s', (_kind, make) => {
  it.each(views.map((View) => [View.name, View] as const))(
    '%s: every call reads and writes its bytes, and no others',
    (_name, View) => {
      const [left, right] = kit.pair(SOCK_DGRAM);
      const memory = make(64);
      const view = viewOf(View, memory);
      const whole = new Uint8Array(memory);
      const { byteOffset, byteLength } = view;
      const around = (): string =>
        Buffer.concat([whole.slice(0, byteOffset), whole.slice(byteOffset + byteLength)]).toString(
          'hex',
        );
      const before = around();
      bytesOf(view).forEach((_, i, bytes) => (bytes[i] = i + 1));
      const sent = bytesOf(view).slice();

      expect(left.send(view)).toBe(byteLength);
      expect(left.sendmsg([view, view])).toBe(2 * byteLength);
      const copy = new Uint8Array(100);
      expect(right.recv(copy)).toBe(byteLength);
      expect(copy.slice(0, byteLength)).toEqual(sent);
      expect(right.recv(copy)).toBe(2 * byteLength);
      expect(copy.slice(byteLength, 2 * byteLength)).toEqual(sent);

      left.send(new Uint8Array(100).fill(0xaa));
      expect(right.recv(view, MSG_PEEK)).toBe(byteLength);
      expect(bytesOf(view).every((byte) => byte === 0xaa)).toBe(true);
      bytesOf(view).fill(0);
      expect(right.recvmsg([new Uint8Array(1), view])?.bytes).toBe(1 + byteLength);
      expect(bytesOf(view).every((byte) => byte === 0xaa)).toBe(true);
      expect(around()).toBe(before);
    },
  );
});

describe('an empty buffer', () => {
  it('on a stream: 0, and nothing happens', () => {
    const [left, right] = kit.pair();
    expect(left.send(Buffer.alloc(0))).toBe(0);
    expect(right.recv(Buffer.alloc(1))).toBe(null);
    left.send(Buffer.from('x'));
    expect(right.recv(Buffer.alloc(0))).toBe(0);
    expect(right.recv(Buffer.alloc(1))).toBe(1);
  });

  it('on a datagram socket: an empty datagram is sent and received', () => {
    const [left, right] = kit.pair(SOCK_DGRAM);
    expect(left.send(Buffer.alloc(0))).toBe(0);
    expect(right.recv(Buffer.alloc(5))).toBe(0);
    expect(right.recv(Buffer.alloc(5))).toBe(null);
    left.send(Buffer.from('x'));
    expect(right.recv(new DataView(new ArrayBuffer(0)))).toBe(0);
    expect(right.recv(Buffer.alloc(5))).toBe(null);
  });
});

describe('detached memory', () => {
  it('is a TypeError in every call, before any system call', () => {
    const [left, right] = kit.pair(SOCK_DGRAM);
    right.send(Buffer.from('kept'));
    const gone: Bytes[] = [new Uint8Array(8), new DataView(new ArrayBuffer(8)), Buffer.alloc(8)];
    gone.forEach(detach);
    const outside = new Uint8Array(resizable.buffer(8), 4, 4);
    resizable.resize(outside, 2);
    for (const view of [...gone, outside]) {
      for (const call of [
        () => left.send(view),
        () => left.recv(view),
        () => left.sendmsg([Buffer.from('x'), view]),
        () => left.recvmsg([Buffer.alloc(1), view]),
        () => left.setsockopt(SOL_SOCKET, kit.SO_SNDBUF, view),
      ]) {
        expect(kit.thrown(call)).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
      }
    }
    expect(left.recv(Buffer.alloc(10))).toBe(4);
    expect(right.recv(Buffer.alloc(10))).toBe(null);
  });

  it("a view that tracks its buffer's length has the new length", () => {
    const [left, right] = kit.pair(SOCK_DGRAM);
    const view = new Uint8Array(resizable.buffer(8), 2);
    resizable.resize(view, 16);
    expect(left.send(view)).toBe(14);
    resizable.resize(view, 3);
    expect(left.send(view)).toBe(1);
    resizable.resize(view, 2);
    expect(left.send(view)).toBe(0);
    expect([
      right.recv(Buffer.alloc(20)),
      right.recv(Buffer.alloc(20)),
      right.recv(Buffer.alloc(20)),
    ]).toEqual([14, 1, 0]);
  });
});

describe('Socket.recv and Socket.send', () => {
  it('an argument that is not a buffer is a TypeError, and invalid flags are a RangeError', () => {
    const [left] = kit.pair();
    for (const wrong of [undefined, null, 'text', [1], new ArrayBuffer(1)]) {
      for (const call of [
        () => left.send(wrong as never),
        () => left.recv(wrong as never),
        () => left.sendmsg(wrong as never),
        () => left.recvmsg([wrong as never]),
      ]) {
        expect(call).toThrow(TypeError);
      }
    }
    for (const flags of [-1, 1.5, NaN, 2 ** 31]) {
      for (const call of [
        () => left.send(Buffer.alloc(1), flags),
        () => left.recv(Buffer.alloc(1), flags),
        () => left.recvmsg([], 0, flags),
        () => left.recvmsg([], flags),
      ]) {
        expect(call).toThrow(RangeError);
      }
    }
  });

  it('return null if they would block, and send a part on a full stream', () => {
    const [left, right] = kit.pair();
    expect(right.recv(Buffer.alloc(1))).toBe(null);
    const part = left.send(Buffer.alloc(8 << 20)) ?? 0;
    expect(part).toBeGreaterThan(0);
    expect(part).toBeLessThan(8 << 20);
    expect(left.send(Buffer.alloc(1))).toBe(null);
    expect(kit.drain(right).length).toBe(part);
  });

  it('truncate a datagram that does not fit; MSG_TRUNC returns its length', () => {
    const [left, right] = kit.pair(SOCK_DGRAM);
    left.send(Buffer.from('0123456789'));
    left.send(Buffer.from('0123456789'));
    const buffer = Buffer.alloc(4);
    expect(right.recv(buffer)).toBe(4);
    expect(right.recv(buffer, kit.constant('MSG_TRUNC'))).toBe(10);
  });

  it('a closed peer is EPIPE, never a signal; a socket without a peer is ENOTCONN', async () => {
    const [left, right] = kit.pair();
    right.close();
    for (const call of [() => left.send(Buffer.from('x')), () => left.sendmsg([Buffer.from('x')])])
      expect(kit.thrown(call)).toMatchObject({ code: 'EPIPE', errno: -32 });
    const alone = kit.create(kit.AF_INET, kit.SOCK_STREAM);
    expect(kit.thrown(() => alone.recv(Buffer.alloc(1)))).toMatchObject({
      code: 'ENOTCONN',
      syscall: 'recv',
    });
    const [client, server] = await kit.tcpPair();
    server.setsockopt(SOL_SOCKET, kit.constant('SO_LINGER'), Int32Array.of(1, 0));
    server.close();
    await client.readable();
    expect(kit.thrown(() => client.recv(Buffer.alloc(1)))).toMatchObject({ code: 'ECONNRESET' });
  });
});

describe('Socket.getsockopt and Socket.setsockopt', () => {
  it('accept and return integers, booleans and bytes', async () => {
    const [client] = await kit.tcpPair();
    const [level, option] = [kit.constant('IPPROTO_TCP'), kit.constant('TCP_NODELAY')];
    for (const [value, expected] of [
      [true, 1],
      [false, 0],
      [1, 1],
      [Int32Array.of(0), 0],
      [Buffer.from(Int32Array.of(1).buffer), 1],
    ] as const) {
      client.setsockopt(level, option, value);
      expect(client.getsockopt(level, option)).toBe(expected);
      expect(new Uint8Array(client.getsockopt(level, option, 4))).toEqual(
        new Uint8Array(Int32Array.of(expected).buffer),
      );
    }
    expect(client.getsockopt(level, kit.constant('TCP_CONGESTION'), 16).length).toBeLessThanOrEqual(
      16,
    );
    expect(client.getsockopt(level, option, 0).length).toBe(0);
  });

  it('an unsigned number is the int of the same bits', () => {
    const socket = kit.create(kit.AF_INET, kit.SOCK_STREAM);
    socket.setsockopt(SOL_SOCKET, kit.constant('SO_PRIORITY'), 5);
    socket.setsockopt(SOL_SOCKET, kit.constant('SO_MAX_PACING_RATE'), 0xfffffffe);
    expect(socket.getsockopt(SOL_SOCKET, kit.constant('SO_MAX_PACING_RATE')) >>> 0).toBe(
      0xfffffffe,
    );
    expect(socket.getsockopt(SOL_SOCKET, kit.constant('SO_PRIORITY'))).toBe(5);
  });

  it('throw errors of the kernel and of arguments', () => {
    const [left] = kit.pair();
    expect(kit.thrown(() => left.getsockopt(SOL_SOCKET, 12345))).toMatchObject({
      code: 'ENOPROTOOPT',
      errno: -92,
      syscall: 'getsockopt',
    });
    expect(kit.thrown(() => left.setsockopt(SOL_SOCKET, 12345, 1))).toMatchObject({
      code: 'ENOPROTOOPT',
      syscall: 'setsockopt',
    });
    expect(
      kit.thrown(() => left.setsockopt(SOL_SOCKET, kit.SO_SNDBUF, Buffer.alloc(1))),
    ).toMatchObject({ code: 'EINVAL' });
    for (const value of [undefined, null, '1', 1n, {}])
      expect(() => left.setsockopt(SOL_SOCKET, kit.SO_SNDBUF, value as never)).toThrow(TypeError);
    for (const value of [NaN, 1.5, 2 ** 32, -(2 ** 31) - 1])
      expect(() => left.setsockopt(SOL_SOCKET, kit.SO_SNDBUF, value)).toThrow(RangeError);
    expect(() => left.getsockopt('1' as never, 1)).toThrow(TypeError);
    expect(() => left.getsockopt(1, 2 ** 31)).toThrow(RangeError);
    expect(() => left.getsockopt(1, 1, -1)).toThrow(RangeError);
    expect(() => left.getsockopt(1, 1, 65_536)).toThrow(RangeError);
  });
});

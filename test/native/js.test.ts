import { afterEach, describe, expect, it } from 'vitest';
import { closeAll, EAGAIN, EINVAL, native, ok, pair, SOCK_DGRAM } from './kit';

afterEach(closeAll);

type Constructor = new (
  buffer: ArrayBufferLike,
  offset?: number,
  length?: number,
) => ArrayBufferView;
// Resizable and growable buffers came with ES2024, Float16Array with ES2025: the library's target
// is older.
const NewArrayBuffer = ArrayBuffer as unknown as new (
  length: number,
  options: object,
) => ArrayBuffer & { resize(length: number): void };
const NewSharedArrayBuffer = SharedArrayBuffer as unknown as new (
  length: number,
  options: object,
) => SharedArrayBuffer & { grow(length: number): void };

const arrays: Constructor[] = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
];
const { Float16Array } = globalThis as { Float16Array?: Constructor };
if (Float16Array !== undefined) arrays.push(Float16Array);

const bytesOf = (view: ArrayBufferView): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/**
 * Sends the view as a datagram, and receives a datagram into it. Both must move all bytes of the
 * view, and no others.
 */
function expectToCover(view: ArrayBufferView, name: string): void {
  const [left, right] = pair(SOCK_DGRAM);
  const bytes = bytesOf(view);
  bytes.forEach((_, i) => (bytes[i] = i + 1));
  const whole = new Uint8Array(view.buffer);
  const before = whole.slice();
  expect(native.send(left, view, 0, 0), `${name}: sent`).toBe(view.byteLength);
  const copy = Buffer.alloc(view.byteLength + 10);
  expect(native.recv(right, copy, 0), `${name}: received`).toBe(view.byteLength);
  expect(Buffer.compare(copy.subarray(0, view.byteLength), bytes), `${name}: content`).toBe(0);

  ok(native.send(right, Buffer.alloc(view.byteLength + 10, 0xee), 0, 0));
  expect(native.recv(left, view, 0), `${name}: received into`).toBe(view.byteLength);
  expect(
    bytes.every((byte) => byte === 0xee),
    `${name}: filled`,
  ).toBe(true);
  const outside = [
    ...whole.subarray(0, view.byteOffset),
    ...whole.subarray(view.byteOffset + view.byteLength),
  ];
  const outsideBefore = [
    ...before.subarray(0, view.byteOffset),
    ...before.subarray(view.byteOffset + view.byteLength),
  ];
  expect(outside, `${name}: memory around it`).toEqual(outsideBefore);
  closeAll();
}

describe('a view of memory', () => {
  it.each(arrays.map((array) => [array.name, array] as const))(
    '%s is read and written in bytes',
    (name, array) => {
      expectToCover(new array(new ArrayBuffer(64), 8, 3), `${name} at an offset`);
      expectToCover(new array(new ArrayBuffer(64)), `${name}, whole`);
      expectToCover(new array(new SharedArrayBuffer(64), 16, 2), `${name} over shared memory`);
      expectToCover(
        new array(new NewArrayBuffer(64, { maxByteLength: 128 }), 8, 3),
        `${name} over a resizable buffer`,
      );
    },
  );

  it('may begin at an odd address, be a pooled Buffer, or lie in the heap of V8', () => {
    expectToCover(new Uint8Array(new ArrayBuffer(9), 1, 7), 'odd');
    expectToCover(new DataView(new ArrayBuffer(9), 3, 5), 'odd DataView');
    expectToCover(Buffer.from('pool'), 'pooled');
    expectToCover(new Uint8Array(4), 'in the heap');
    expectToCover(new Float64Array(1), 'in the heap');
  });

  it('has its length at the time of the call: grown, shrunk, or out of bounds', () => {
    for (const array of [Uint8Array, DataView] as Constructor[]) {
      const grown = new NewArrayBuffer(10, { maxByteLength: 100 });
      const tracking = new array(grown, 2);
      grown.resize(50);
      expect(tracking.byteLength).toBe(48);
      expectToCover(tracking, `${array.name} grown`);
      grown.resize(4);
      expect(tracking.byteLength).toBe(2);
      expectToCover(tracking, `${array.name} shrunk`);

      const shared = new NewSharedArrayBuffer(10, { maxByteLength: 100 });
      const sharedTracking = new array(shared, 2);
      shared.grow(50);
      expectToCover(sharedTracking, `${array.name} shared and grown`);

      const page = 65_536;
      const [left, right] = pair(SOCK_DGRAM);
      for (const length of [undefined, 20]) {
        const buffer = new NewArrayBuffer(2 * page, { maxByteLength: 2 * page });
        const view = new array(buffer, page, length);
        buffer.resize(10);
        expect(native.send(left, view, 0, 0), `${array.name} out of bounds`).toBe(0);
        expect(native.recv(right, Buffer.alloc(10), 0)).toBe(0);
        expect(native.send(left, view, 1, 0), 'an offset beyond it').toBe(EINVAL);
      }
    }
  });

  it('counts as empty when detached', () => {
    const [left, right] = pair(SOCK_DGRAM);
    for (const array of [Uint8Array, Float64Array, DataView] as Constructor[]) {
      const view = new array(new ArrayBuffer(64));
      structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
      expect(native.send(left, view, 0, 0)).toBe(0);
      expect(native.recv(right, Buffer.alloc(10), 0)).toBe(0);
      ok(native.send(left, Buffer.from('gone'), 0, 0));
      expect(native.recv(right, view, 0)).toBe(0);
    }
  });
});

describe('an invalid argument', () => {
  const [fd, data] = [0, Buffer.alloc(8)];
  const send = native.send as (...args: unknown[]) => number;

  it('makes the result UV_EINVAL, before any system call', () => {
    const [left] = pair();
    for (const bad of [
      undefined,
      null,
      '8',
      1,
      {},
      [1],
      new ArrayBuffer(8),
      new SharedArrayBuffer(8),
      () => 1,
      Symbol('x'),
    ])
      expect(send(left, bad, 0, 0)).toBe(EINVAL);
    for (const bad of [undefined, null, '0', {}, [], true, 1n, NaN, Infinity, 0.5, 2 ** 32]) {
      expect(send(bad, data, 0, 0)).toBe(EINVAL);
      expect(send(left, data, bad, 0)).toBe(EINVAL);
      expect(send(left, data, 0, bad)).toBe(EINVAL);
    }
    expect(send()).toBe(EINVAL);
    expect(send(left, data, 0)).toBe(EINVAL);
    expect(native.recv(fd, 'text' as never, 0)).toBe(EINVAL);
  });

  it('is an offset that reaches beyond the view', () => {
    const [left, right] = pair();
    for (const bad of [9, -1, 2 ** 32, 2 ** 53, Infinity, -Infinity, Number.MAX_VALUE])
      expect(send(left, data, bad, 0), String(bad)).toBe(EINVAL);
    expect(native.recv(right, Buffer.alloc(1), 0)).toBe(EAGAIN);
    expect(send(left, data, 8, 0)).toBe(0);
    expect(send(left, data, 7, 0)).toBe(1);
    expect(native.recv(right, Buffer.alloc(9), 0)).toBe(1);
  });

  it('is refused by every function that writes numbers into an array', () => {
    const [left] = pair();
    const results: [string, (result: never) => number, number][] = [
      ['socketpair', (result) => native.socketpair(1, 1, 0, result), 2],
      ['adopt', (result) => native.adopt(left, result), 3],
      ['getsockoptInt', (result) => native.getsockoptInt(left, 1, 3, result), 1],
      ['recvmsg', (result) => native.recvmsg(left, [], null, null, result, 0), 3],
      ['recvfrom', (result) => native.recvfrom(left, new Uint8Array(8), null, result), 2],
      ['peerCredentials', (result) => native.peerCredentials(left, result), 3],
      ['queueSizes', (result) => native.queueSizes(left, result), 2],
      ['decodeControl', (result) => native.decodeControl(new Uint8Array(8), 8, 0, result), 4],
    ];
    for (const [name, call, count] of results) {
      expect(call(new Int32Array(count - 1) as never), name).toBe(EINVAL);
      expect(call(new Uint32Array(count) as never), name).toBe(EINVAL);
      expect(call(new Float64Array(count) as never), name).toBe(EINVAL);
      expect(call([0, 0, 0, 0] as never), name).toBe(EINVAL);
      expect(call(undefined as never), name).toBe(EINVAL);
    }
  });
});

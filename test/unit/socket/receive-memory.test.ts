import { describe, expect, it } from 'vitest';
import { copyPacket, scratch } from '#lib/socket/receive-memory';

describe('scratch', () => {
  it('returns exactly the requested size, cut from one buffer', () => {
    const [small, medium] = [scratch(10), scratch(65536)];
    expect([small.length, medium.length, scratch(0).length]).toEqual([10, 65536, 0]);
    expect(scratch(100).buffer).toBe(medium.buffer);
  });

  it('grows to a megabyte, and keeps no more', () => {
    const large = scratch(1 << 20);
    expect(large.length).toBe(1 << 20);
    expect(scratch(5).buffer).toBe(large.buffer);
    const huge = scratch((1 << 20) + 1);
    expect(huge.length).toBe((1 << 20) + 1);
    expect(huge.buffer).not.toBe(large.buffer);
    expect(scratch(5).buffer).toBe(large.buffer);
  });
});

const memory = Uint8Array.from({ length: 70_000 }, (_, i) => i % 251);
const expected = (start: number, size: number): Uint8Array => memory.slice(start, start + size);

describe('copyPacket', () => {
  it('returns a copy that later packets do not change', () => {
    const sizes = [0, 1, 7, 8, 9, 100, 1400, 2047, 2048, 2049, 65_535];
    const packets = Array.from({ length: 200 }, (_, i) => {
      const size = sizes[i % sizes.length]!;
      return { start: i, size, packet: copyPacket(memory, i, size) };
    });
    for (const { start, size, packet } of packets) {
      expect(packet.constructor).toBe(Uint8Array);
      expect(Buffer.compare(packet, expected(start, size))).toBe(0);
      expect(packet.byteOffset % 8).toBe(0);
    }
  });

  it('writing into one packet changes no other', () => {
    const packets = Array.from({ length: 50 }, (_, i) => copyPacket(memory, i, 1 + i * 7));
    packets.forEach((packet, i) => i % 2 === 0 && packet.fill(0xff));
    packets.forEach(
      (packet, i) => i % 2 === 1 && expect(Buffer.compare(packet, expected(i, 1 + i * 7))).toBe(0),
    );
  });

  it('a short packet keeps at most 16 KiB alive, a long one only itself', () => {
    const pieces = new Set(Array.from({ length: 100 }, () => copyPacket(memory, 0, 1000).buffer));
    expect(pieces.size).toBeGreaterThanOrEqual(6);
    expect(pieces.size).toBeLessThanOrEqual(8);
    for (const piece of pieces) expect(piece.byteLength).toBe(16 * 1024);
    expect(copyPacket(memory, 5, 2049).buffer.byteLength).toBe(2049);
  });

  it('a packet cannot be transferred, since its buffer holds other packets', () => {
    const [first, second] = [copyPacket(memory, 0, 10), copyPacket(memory, 10, 10)];
    let copy: Uint8Array | undefined;
    try {
      copy = structuredClone(first, { transfer: [first.buffer as ArrayBuffer] });
    } catch (error) {
      expect((error as Error).name).toBe('DataCloneError');
    }
    // Node.js 20 copies the buffer; later versions throw.
    expect(Buffer.compare(copy ?? first, expected(0, 10))).toBe(0);
    expect(Buffer.compare(first, expected(0, 10))).toBe(0);
    expect(Buffer.compare(second, expected(10, 10))).toBe(0);
  });

  it.runIf('transfer' in ArrayBuffer.prototype)(
    'replaces a buffer that was detached nevertheless',
    () => {
      const { buffer } = copyPacket(memory, 0, 10);
      try {
        (buffer as ArrayBuffer & { transfer(): ArrayBuffer }).transfer();
      } catch (error) {
        // Node.js 24 refuses to detach the buffer.
        expect(error).toBeInstanceOf(TypeError);
      }
      expect(Buffer.compare(copyPacket(memory, 3, 10), expected(3, 10))).toBe(0);
      expect(Buffer.compare(copyPacket(memory, 3, 0), expected(3, 0))).toBe(0);
    },
  );
});

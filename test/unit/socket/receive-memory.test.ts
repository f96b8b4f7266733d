import { describe, expect, it } from 'vitest';
import { copyPacket } from '#lib/socket/receive-memory';

const memory = Uint8Array.from({ length: 70_000 }, (_, i) => i % 251);
const expected = (start: number, size: number): Uint8Array => memory.slice(start, start + size);

describe('copyPacket', () => {
  it('gives the bytes alone, which what comes later does not change', () => {
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

  it('whoever writes into one packet, writes into no other', () => {
    const packets = Array.from({ length: 50 }, (_, i) => copyPacket(memory, i, 1 + i * 7));
    packets.forEach((packet, i) => i % 2 === 0 && packet.fill(0xff));
    packets.forEach(
      (packet, i) => i % 2 === 1 && expect(Buffer.compare(packet, expected(i, 1 + i * 7))).toBe(0),
    );
  });

  it('a kept packet holds 16 KiB at most, a long one itself', () => {
    const pieces = new Set(Array.from({ length: 100 }, () => copyPacket(memory, 0, 1000).buffer));
    expect(pieces.size).toBeGreaterThanOrEqual(6);
    expect(pieces.size).toBeLessThanOrEqual(8);
    for (const piece of pieces) expect(piece.byteLength).toBe(16 * 1024);
    expect(copyPacket(memory, 5, 2049).buffer.byteLength).toBe(2049);
  });

  it('is not to be had for another thread, which would take the others along', () => {
    const [first, second] = [copyPacket(memory, 0, 10), copyPacket(memory, 10, 10)];
    let copy: Uint8Array | undefined;
    try {
      copy = structuredClone(first, { transfer: [first.buffer as ArrayBuffer] });
    } catch (error) {
      expect((error as Error).name).toBe('DataCloneError');
    }
    // Node.js 20 makes a copy; later ones refuse.
    expect(Buffer.compare(copy ?? first, expected(0, 10))).toBe(0);
    expect(Buffer.compare(first, expected(0, 10))).toBe(0);
    expect(Buffer.compare(second, expected(10, 10))).toBe(0);
  });

  it.runIf('transfer' in ArrayBuffer.prototype)(
    'goes on if somebody has detached the memory all the same',
    () => {
      const { buffer } = copyPacket(memory, 0, 10);
      try {
        (buffer as ArrayBuffer & { transfer(): ArrayBuffer }).transfer();
      } catch (error) {
        // Node.js 24 does not let anybody.
        expect(error).toBeInstanceOf(TypeError);
      }
      expect(Buffer.compare(copyPacket(memory, 3, 10), expected(3, 10))).toBe(0);
      expect(Buffer.compare(copyPacket(memory, 3, 0), expected(3, 0))).toBe(0);
    },
  );
});

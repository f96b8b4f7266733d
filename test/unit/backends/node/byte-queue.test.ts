import { describe, expect, it } from 'vitest';
import { ByteQueue, bytesOf } from '#lib/backends/node/byte-queue';

function queueOf(...chunks: readonly number[][]): ByteQueue {
  const queue = new ByteQueue();
  for (const chunk of chunks) queue.push(Uint8Array.from(chunk));
  return queue;
}

describe('ByteQueue', () => {
  it('returns what was pushed, in order, whatever the chunks', () => {
    for (let size = 1; size <= 10; size++) {
      const queue = queueOf([1, 2, 3], [], [4], [5, 6, 7, 8], [9]);
      const taken: number[] = [];
      while (queue.length > 0) {
        if (taken.length % 2 === 0) {
          taken.push(...queue.take(size));
        } else {
          const target = new Uint8Array(size);
          taken.push(...target.subarray(0, queue.takeInto(target)));
        }
      }
      expect(taken).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
  });

  it('returns a chunk, or the rest of one, without a copy', () => {
    const chunk = Uint8Array.from([1, 2, 3, 4]);
    const queue = new ByteQueue();
    queue.push(chunk);
    expect(queue.take(4).buffer).toBe(chunk.buffer);
    queue.push(chunk);
    const first = queue.take(1);
    expect(first.buffer).not.toBe(chunk.buffer);
    const rest = queue.take(3);
    expect(rest.buffer).toBe(chunk.buffer);
    expect([...rest]).toEqual([2, 3, 4]);
  });

  it('returns a large chunk alone rather than copying it together with the next', () => {
    const [large, small] = [new Uint8Array(16_384).fill(1), Uint8Array.of(2)];
    const queue = new ByteQueue();
    queue.push(large);
    queue.push(small);
    const first = queue.take(100_000);
    expect(first.buffer).toBe(large.buffer);
    expect(first).toHaveLength(16_384);
    expect([...queue.take(100_000)]).toEqual([2]);
    expect(queue.length).toBe(0);
  });

  it('returns small chunks together', () => {
    expect([...queueOf([1, 2], [3], [4, 5]).take(100)]).toEqual([1, 2, 3, 4, 5]);
  });

  it('copies a part of larger memory', () => {
    const memory = Uint8Array.of(1, 2, 3, 4);
    const queue = new ByteQueue();
    queue.push(memory.subarray(1, 3));
    const taken = queue.take(2);
    expect([...taken]).toEqual([2, 3]);
    expect(taken.buffer.byteLength).toBe(2);
  });

  it('counts the memory of its chunks, not only their bytes', () => {
    const queue = queueOf([1], [2], [3]);
    expect(queue.weight).toBeGreaterThan(3 * 100);
    queue.take(3);
    expect(queue.weight).toBe(0);
  });

  it('returns nothing when it is empty, and after clear()', () => {
    const queue = queueOf([1, 2]);
    queue.clear();
    expect(queue.length).toBe(0);
    expect(queue.take(5)).toHaveLength(0);
    expect(queue.takeInto(new Uint8Array(5))).toBe(0);
    expect(queueOf([1]).take(0)).toHaveLength(0);
  });
});

describe('bytesOf', () => {
  it('returns the same memory, of any view', () => {
    const memory = new ArrayBuffer(16);
    bytesOf(new Uint16Array(memory, 4, 2)).set([1, 2, 3, 4]);
    expect([...new Uint8Array(memory, 4, 4)]).toEqual([1, 2, 3, 4]);
    expect(bytesOf(new DataView(memory, 3, 5))).toHaveLength(5);
  });
});

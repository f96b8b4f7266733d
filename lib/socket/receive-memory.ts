import { markAsUntransferable } from 'node:worker_threads';

/**
 * What packets are cut from, one piece after another. Whoever keeps a packet keeps its piece: so
 * much at most, for however short a packet, which is what twelve full Ethernet frames take.
 */
const PIECE_BYTES = 16 * 1024;
/**
 * A longer packet has memory of its own: an ArrayBuffer costs little beside it, and the rest of a
 * piece is not to be wasted.
 */
const LARGEST_SHARED_BYTES = 2048;
/** Where a packet begins, so that any typed array can be laid over it. */
const ALIGNMENT = 8;

let piece = new Uint8Array(0);
let used = 0;

/**
 * A copy of `size` bytes of `memory`, which nobody writes again. Short ones share an ArrayBuffer
 * with others, as Node's own Buffers do: one for each would cost more than all else about them.
 */
export function copyPacket(memory: Uint8Array, start: number, size: number): Uint8Array {
  if (size > LARGEST_SHARED_BYTES) return memory.slice(start, start + size);
  // Also if somebody has detached it.
  if (used + size > piece.length) {
    piece = new Uint8Array(PIECE_BYTES);
    // To another thread a packet goes as a copy: its buffer would take the others along.
    markAsUntransferable(piece.buffer);
    used = 0;
  }
  piece.set(memory.subarray(start, start + size), used);
  const packet = new Uint8Array(piece.buffer, used, size);
  used += Math.ceil(size / ALIGNMENT) * ALIGNMENT;
  return packet;
}

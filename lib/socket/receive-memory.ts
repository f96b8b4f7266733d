import { markAsUntransferable } from 'node:worker_threads';

const INITIAL_SCRATCH_BYTES = 64 * 1024;
/** A larger receive gets memory of its own, so that one large receive is not kept for ever. */
const LARGEST_SCRATCH_BYTES = 1024 * 1024;

let shared = new Uint8Array(INITIAL_SCRATCH_BYTES);

/**
 * Memory to receive into when the caller brings none. A receive fills this memory and copies the
 * result out within one synchronous step. So one buffer serves the whole environment, nothing is
 * allocated for bytes that do not arrive, and the caller's copy keeps no other memory alive.
 *
 * @returns exactly `size` bytes, valid until the next call
 */
export function scratch(size: number): Uint8Array {
  if (size > LARGEST_SCRATCH_BYTES) return new Uint8Array(size);
  if (size > shared.length) shared = new Uint8Array(size);
  return size === shared.length ? shared : shared.subarray(0, size);
}

/**
 * The size of the slabs that packets are cut from, one after another. A packet that is kept keeps
 * its slab: at most this much memory, however short the packet is. Twelve full Ethernet frames
 * take as much.
 */
const SLAB_BYTES = 16 * 1024;
/**
 * A longer packet gets its own memory: an ArrayBuffer costs little beside that many bytes, and a
 * shared slab would waste its remainder.
 */
const LARGEST_SHARED_BYTES = 2048;
/** Packets begin at multiples of this, so that any typed array can be laid over them. */
const ALIGNMENT = 8;

let slab = new Uint8Array(0);
let used = 0;

/**
 * A copy of `size` bytes of `memory`, which nothing overwrites later. Short packets share an
 * ArrayBuffer, as Node's own Buffers do: an ArrayBuffer for each would cost more than the rest of
 * the receive.
 */
export function copyPacket(memory: Uint8Array, start: number, size: number): Uint8Array {
  if (size > LARGEST_SHARED_BYTES) return memory.slice(start, start + size);
  // A detached slab has a length of 0, and is replaced here, too.
  if (used + size > slab.length) {
    slab = new Uint8Array(SLAB_BYTES);
    // A packet is copied to another thread: transferring its buffer would take other packets along.
    markAsUntransferable(slab.buffer);
    used = 0;
  }
  slab.set(memory.subarray(start, start + size), used);
  const packet = new Uint8Array(slab.buffer, used, size);
  used += Math.ceil(size / ALIGNMENT) * ALIGNMENT;
  return packet;
}

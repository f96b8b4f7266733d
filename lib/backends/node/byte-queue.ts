export { bytesOf } from '../../arguments/buffers';

const EMPTY = new Uint8Array(0);
/**
 * What a chunk costs beside its bytes: a peer that sends single bytes fills memory with little
 * else.
 */
const OVERHEAD_BYTES = 256;
/**
 * A chunk of that many bytes is handed over alone rather than copied together with what comes after
 * it.
 */
const HANDOVER_BYTES = 16_384;

/** Bytes in their order, as they came in chunks. */
export class ByteQueue {
  #chunks: Uint8Array[] = [];
  /** Of the first chunk: the bytes that were taken already. */
  #offset = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** How much memory it takes, nearly. */
  get weight(): number {
    return this.#length + this.#chunks.length * OVERHEAD_BYTES;
  }

  /** Takes the memory of `chunk` over. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /**
   * Takes up to `size` bytes, in memory of their own: that of the chunk, where that is nothing but
   * what is wanted.
   */
  take(size: number): Uint8Array {
    const count = Math.min(size, this.#length);
    if (count === 0) return EMPTY;
    const first = this.#chunks[0] as Uint8Array;
    const left = first.length - this.#offset;
    const ownsMemory = first.length === first.buffer.byteLength;
    if (ownsMemory && (left === count || (left < count && left >= HANDOVER_BYTES))) {
      const rest = new Uint8Array(first.buffer, first.byteOffset + this.#offset, left);
      this.#dropFirst();
      this.#length -= left;
      return rest;
    }
    const result = new Uint8Array(count);
    this.takeInto(result);
    return result;
  }

  /** Takes up to as many bytes as `target` holds. @returns how many */
  takeInto(target: Uint8Array): number {
    let filled = 0;
    while (filled < target.length && this.#length > 0) {
      const first = this.#chunks[0] as Uint8Array;
      const count = Math.min(first.length - this.#offset, target.length - filled);
      target.set(
        count === first.length ? first : first.subarray(this.#offset, this.#offset + count),
        filled,
      );
      filled += count;
      this.#length -= count;
      this.#offset += count;
      if (this.#offset === first.length) this.#dropFirst();
    }
    return filled;
  }

  clear(): void {
    this.#chunks = [];
    this.#offset = 0;
    this.#length = 0;
  }

  /** The queue is short (its weight is bounded), so `shift` costs little. */
  #dropFirst(): void {
    this.#chunks.shift();
    this.#offset = 0;
  }
}

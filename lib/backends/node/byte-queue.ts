export { bytesOf } from '../../arguments/buffers';

const EMPTY = new Uint8Array(0);
/** The memory of a chunk beside its bytes: most of what a peer occupies that sends single bytes. */
const OVERHEAD_BYTES = 256;
/**
 * A chunk of this size or more is returned alone, rather than copied together with the next ones.
 */
const HANDOVER_BYTES = 16_384;

/** Received bytes, in order, in the chunks that they arrived in. */
export class ByteQueue {
  #chunks: Uint8Array[] = [];
  /** How many bytes of the first chunk were taken already. */
  #offset = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** About how much memory the queue takes, in bytes. */
  get weight(): number {
    return this.#length + this.#chunks.length * OVERHEAD_BYTES;
  }

  /** Takes ownership of the memory of `chunk`. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /**
   * Takes up to `size` bytes, in memory that holds nothing else: a chunk's own memory if its bytes
   * are the wanted ones, else a copy.
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

  /** Takes as many bytes as fit `target`, if there are as many. @returns how many */
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

  /** The weight of the queue is bounded, so it has few chunks, and `shift` costs little. */
  #dropFirst(): void {
    this.#chunks.shift();
    this.#offset = 0;
  }
}

import type { Bytes } from '../internal/bytes';

const EMPTY = new Uint8Array(0);

/** A view as the bytes of its memory: the same, not a copy. */
export function bytesOf(view: Bytes): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Bytes in their order, as they came in chunks. */
export class ByteQueue {
  #chunks: Uint8Array[] = [];
  /** Of the first chunk: the bytes that were taken already. */
  #offset = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Takes the memory of `chunk` over. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** Takes up to `size` bytes, in memory of their own: that of the chunk, where it is what is wanted. */
  take(size: number): Uint8Array {
    const count = Math.min(size, this.#length);
    if (count === 0) return EMPTY;
    const first = this.#chunks[0] as Uint8Array;
    if (first.length - this.#offset === count) {
      const rest = new Uint8Array(first.buffer, first.byteOffset + this.#offset, count);
      this.#dropFirst();
      this.#length -= count;
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
      target.set(first.subarray(this.#offset, this.#offset + count), filled);
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

  /** The queue is short (it is bounded), so `shift` costs little. */
  #dropFirst(): void {
    this.#chunks.shift();
    this.#offset = 0;
  }
}

const INITIAL_BYTES = 64 * 1024;
/**
 * Beyond this a receive gets memory of its own: what one large receive needed is not kept for ever.
 */
const LARGEST_BYTES = 1024 * 1024;

let shared = new Uint8Array(INITIAL_BYTES);

/**
 * Memory to receive into when the caller brings none. A receive fills it and copies out what came,
 * within one synchronous step: so one piece serves the whole environment, nothing is allocated for
 * what does not come, and what the caller keeps pins no more than itself.
 *
 * @returns exactly `size` bytes, valid until the next call
 */
export function scratch(size: number): Uint8Array {
  if (size > LARGEST_BYTES) return new Uint8Array(size);
  if (size > shared.length) shared = new Uint8Array(size);
  return size === shared.length ? shared : shared.subarray(0, size);
}

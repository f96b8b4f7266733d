import type { Bytes } from '#lib/contract/bytes';

// Resizable buffers came with ES2024, which is newer than the library's target.
type Resizable = ArrayBuffer & { resize(length: number): void };
const NewArrayBuffer = ArrayBuffer as unknown as new (
  length: number,
  options: { maxByteLength: number },
) => Resizable;

/** Views over memory that can be resized: they track its length. */
export const resizable = {
  buffer: (length: number): ArrayBuffer =>
    new NewArrayBuffer(length, { maxByteLength: 2 * length }),
  bytes: (length: number): Uint8Array => new Uint8Array(resizable.buffer(length)),
  dataView: (length: number): DataView => new DataView(resizable.buffer(length)),
  resize(view: Bytes, length: number): void {
    (view.buffer as Resizable).resize(length);
  },
};

/** Detaches the memory of a view, as a transfer to a worker does. */
export function detach(view: Bytes): void {
  structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
}

/** Bytes without any repeated section, in new memory. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 17 + (i >> 16)) & 0xff;
  return bytes;
}

import { types } from 'node:util';
import type { Bytes } from '../contract/bytes';
import { invalidArgument } from './validate';

/**
 * Checks that `value` is a view that can be read and written now.
 * @throws TypeError if it is not a view, or if its memory is detached or its buffer has shrunk
 */
export function checkBytes(name: string, value: unknown): asserts value is Bytes {
  if (!ArrayBuffer.isView(value))
    throw invalidArgument(name, 'a TypedArray, a DataView or a Buffer', value);
  if (isGone(value))
    throw invalidArgument(
      name,
      'a view of memory that is still there (this one is detached, or its buffer has shrunk)',
      value,
    );
}

/**
 * Whether the memory of a view is gone. A typed array without memory has a length of 0, and its
 * methods throw (`keys` has no other effect). A DataView without memory throws when its length is
 * read.
 */
function isGone(view: Bytes): boolean {
  try {
    if (view.byteLength === 0 && !types.isDataView(view))
      Uint8Array.prototype.keys.call(view as Uint8Array);
    return false;
  } catch {
    return true;
  }
}

/** The length in bytes at present: 0 if the memory is gone. */
export function lengthNow(view: Bytes): number {
  return isGone(view) ? 0 : view.byteLength;
}

/** @throws TypeError if `value` is not an array, or one of its elements fails `checkBytes` */
export function checkBytesList(name: string, value: unknown): asserts value is readonly Bytes[] {
  if (!Array.isArray(value)) throw invalidArgument(name, 'an array of views', value);
  for (const view of value as readonly unknown[]) checkBytes(`${name}[]`, view);
}

/**
 * Reads an iterable of views to its end, before any system call: what its iterator does in between
 * could change the views.
 */
export function readBytes(name: string, value: unknown): Bytes[] {
  if (
    typeof (value as Partial<Iterable<unknown>> | null | undefined)?.[Symbol.iterator] !==
    'function'
  )
    throw invalidArgument(name, 'an iterable of views', value);
  const views = [...(value as Iterable<unknown>)];
  checkBytesList(name, views);
  return views as Bytes[];
}

/** The bytes of a view: the same memory, not a copy. */
export function bytesOf(view: Bytes): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** In bytes. */
export function totalLength(views: readonly Bytes[]): number {
  let total = 0;
  for (const view of views) total += view.byteLength;
  return total;
}

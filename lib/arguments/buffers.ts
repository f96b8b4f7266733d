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

const typedArrayLength = lengthGetter(Object.getPrototypeOf(Uint8Array.prototype));
const dataViewLength = lengthGetter(DataView.prototype);

/** A getter that no property of a view can stand in for, and that takes views of every realm. */
function lengthGetter(prototype: unknown): (this: unknown) => number {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with each view
  return Object.getOwnPropertyDescriptor(prototype, 'byteLength')?.get as () => number;
}

/**
 * Whether `value` is a Uint8Array (or Buffer) with at least one byte: the usual argument of the
 * calls that must be fast. Runs no code of the caller, whatever `value` is, and so never throws.
 */
export function isFilledBytes(value: unknown): value is Uint8Array {
  return types.isUint8Array(value) && typedArrayLength.call(value) > 0;
}

/**
 * Whether the memory of a view is gone. A typed array without memory has a length of 0, and its
 * methods throw (`keys` has no other effect). A DataView without memory throws when its length is
 * read.
 */
function isGone(view: Bytes): boolean {
  try {
    if (!types.isTypedArray(view)) dataViewLength.call(view);
    else if (typedArrayLength.call(view) === 0) Uint8Array.prototype.keys.call(view as Uint8Array);
    return false;
  } catch {
    return true;
  }
}

/** The length in bytes at present: 0 if the memory is gone. */
export function lengthNow(view: Bytes): number {
  // 0 if the memory of a typed array is gone.
  if (types.isTypedArray(view)) return typedArrayLength.call(view);
  return isGone(view) ? 0 : dataViewLength.call(view);
}

/**
 * The views of an array, in an array of the library's own: an element may be a getter, and the
 * next look at it may find something else.
 * @throws TypeError if `value` is not an array, or one of its elements fails `checkBytes`
 */
export function readBytesList(name: string, value: unknown): Bytes[] {
  if (!Array.isArray(value)) throw invalidArgument(name, 'an array of views', value);
  const views: Bytes[] = [];
  // By index: an array may have an iterator of its own, or be longer than memory.
  for (let i = 0; i < value.length; i++) {
    const view: unknown = value[i];
    checkBytes(`${name}[]`, view);
    views.push(view);
  }
  return views;
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
  // (A view is an iterable of numbers.)
  if (
    ArrayBuffer.isView(value) ||
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
  for (const view of views) total += lengthNow(view);
  return total;
}

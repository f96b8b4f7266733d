import { types } from 'node:util';
import type { Bytes } from '../contract/bytes';
import { invalidArgument } from './validate';

/**
 * A view that can be read from or written into now. @throws TypeError for what is no view, and for
 * one whose memory is detached or shrunk away.
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
 * Whether the memory of a view went away. A typed array then has a length of 0, and methods that
 * throw (`keys` is one that does nothing else); a DataView does not even tell its length.
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

/** Its length now: 0 if its memory went away. */
export function lengthNow(view: Bytes): number {
  return isGone(view) ? 0 : view.byteLength;
}

export function checkBytesList(name: string, value: unknown): asserts value is readonly Bytes[] {
  if (!Array.isArray(value)) throw invalidArgument(name, 'an array of views', value);
  for (const view of value as readonly unknown[]) checkBytes(`${name}[]`, view);
}

export function totalLength(views: readonly Bytes[]): number {
  let total = 0;
  for (const view of views) total += view.byteLength;
  return total;
}

import { types } from 'node:util';

/** What one value counts, beside its text and bytes. */
export const UNIT = 16;

/** How much a caller will clone, and look at. Each call takes from both. */
export interface CloneBudget {
  /** Characters and bytes, and UNIT for each value. A value that needs more is refused. */
  room: number;
  /** Values to look at, in those that are refused, too. */
  steps: number;
}

/**
 * A clone of plain data, or undefined if it goes beyond the budget or cannot be cloned.
 *
 * Getters are not called: a value with a getter in it is refused. So the clone is data only, and
 * cloning it once more cannot fail.
 */
export function boundedClone(
  value: unknown,
  budget: CloneBudget,
): { readonly value: unknown } | undefined {
  try {
    const size = sizeOf(value, budget);
    if (size === undefined) return undefined;
    const clone = structuredClone(value);
    budget.room -= size;
    return { value: clone };
  } catch {
    // A DataCloneError, or a hostile object: the value cannot be cloned.
    return undefined;
  }
}

/** Walks the value without calling into it. Undefined if it is too large, or refused. */
function sizeOf(value: unknown, budget: CloneBudget): number | undefined {
  const seen = new Set<object>();
  const open: unknown[] = [value];
  let size = 0;
  while (open.length > 0) {
    const next = open.pop();
    size += UNIT;
    if (typeof next === 'string') size += next.length;
    else if (typeof next === 'bigint') size += next.toString(16).length;
    else if (typeof next === 'function' || typeof next === 'symbol') return undefined;
    else if (typeof next === 'object' && next !== null && !seen.has(next)) {
      if (budget.steps <= 0) return undefined;
      seen.add(next);
      const before = open.length;
      const own = pushParts(next, open, (budget.room - size) / UNIT);
      budget.steps -= 1 + open.length - before;
      if (own === undefined) return undefined;
      size += own;
    }
    if (size > budget.room) return undefined;
  }
  return size;
}

/**
 * Adds the values in an object to `open`. Returns what its own text and bytes count; undefined if
 * it is refused, or has more than `most` values.
 */
function pushParts(object: object, open: unknown[], most: number): number | undefined {
  if (types.isProxy(object)) return undefined;
  if (types.isSharedArrayBuffer(object)) return 0;
  if (types.isAnyArrayBuffer(object)) return object.byteLength;
  if (ArrayBuffer.isView(object)) {
    // The clone has the whole buffer, of which a view may show a part.
    open.push(object.buffer);
    return 0;
  }
  if (Array.isArray(object) && object.length > most) return undefined;
  if (types.isMap(object) || types.isSet(object)) {
    if (object.size > most) return undefined;
    if (types.isMap(object)) open.push(...object.keys());
    open.push(...object.values());
  }
  const keys = Object.keys(object);
  if (keys.length > most) return undefined;
  if (types.isNativeError(object)) keys.push('message', 'stack', 'cause');
  let size = 0;
  for (const key of keys) {
    const property = Object.getOwnPropertyDescriptor(object, key);
    if (property === undefined) continue;
    if (!('value' in property)) {
      // Newer versions of V8 have the stack of an error behind a getter of their own.
      if (key === 'stack' && types.isNativeError(object)) continue;
      return undefined;
    }
    size += key.length;
    open.push(property.value);
  }
  return size;
}

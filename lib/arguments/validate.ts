import { inspect } from 'node:util';

/** A TypeError in the shape of Node's own: what was expected, and what came. */
export function invalidArgument(name: string, expected: string, received: unknown): TypeError {
  const error = new TypeError(
    `The "${name}" argument must be ${expected}. Received ${show(received)}`,
  );
  return Object.assign(error, { code: 'ERR_INVALID_ARG_TYPE' });
}

/** A RangeError in the shape of Node's own. */
export function outOfRange(name: string, expected: string, received: unknown): RangeError {
  const error = new RangeError(
    `The value of "${name}" is out of range. It must be ${expected}. Received ${show(received)}`,
  );
  return Object.assign(error, { code: 'ERR_OUT_OF_RANGE' });
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidArgument(name, 'a function', value);
}

/** Checks a time in milliseconds. `Infinity` means never. @throws RangeError for NaN */
export function checkTime(name: string, value: unknown): void {
  if (typeof value !== 'number') throw invalidArgument(name, 'a number of milliseconds', value);
  if (Number.isNaN(value)) throw outOfRange(name, 'a number, not NaN', value);
}

export function checkInteger(name: string, value: unknown, min: number, max: number): void {
  if (typeof value !== 'number') throw invalidArgument(name, 'an integer', value);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw outOfRange(name, `an integer >= ${String(min)} and <= ${String(max)}`, value);
  }
}

function show(value: unknown): string {
  if (typeof value === 'function') return `function ${value.name}`;
  let text: string;
  try {
    text = inspect(value, { depth: 0, breakLength: Infinity });
  } catch {
    // `inspect` throws for a DataView whose memory is detached, and for an object whose own
    // inspection code throws.
    text = Object.prototype.toString.call(value);
  }
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

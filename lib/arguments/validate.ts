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

/** Checks an object of options, which may be of any class. */
export function checkOptions(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null)
    throw invalidArgument(name, 'an object of options', value);
}

export function checkBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw invalidArgument(name, 'a boolean', value);
}

/** One of the keys of `choices`. (An array of one key is none, although it names the property.) */
export function checkChoice<C extends object>(
  name: string,
  value: unknown,
  choices: C,
): asserts value is keyof C {
  if (typeof value === 'string' && Object.hasOwn(choices, value)) return;
  const names = Object.keys(choices).map((key) => `'${key}'`);
  const last = names.pop() ?? '';
  throw invalidArgument(name, names.length === 0 ? last : `${names.join(', ')} or ${last}`, value);
}

/**
 * The number that a text stands for, if it consists of decimal digits alone; NaN for any other.
 * (`Number` would also take '', ' 80', '0x50', '8e1', and C's strtoul a sign.)
 */
export function decimal(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : NaN;
}

function show(value: unknown): string {
  const text = describe(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** Never throws, whatever code of the caller is behind the value. */
function describe(value: unknown): string {
  try {
    if (typeof value === 'function') return `function ${value.name}`;
    try {
      return inspect(value, { depth: 0, breakLength: Infinity });
    } catch {
      // `inspect` throws for a DataView whose memory is detached, and for an object whose own
      // inspection code throws.
      return Object.prototype.toString.call(value);
    }
  } catch {
    // A proxy may throw at every look, and does so once it is revoked.
    return `a value of type ${typeof value} that cannot be shown`;
  }
}

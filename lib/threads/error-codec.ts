import { inspect, types } from 'node:util';
import { ERROR_CLASSES } from '../errors';
import { boundedClone, type CloneBudget, UNIT } from './bounded-clone';

/**
 * What an error may take with it to another thread. What goes beyond is left behind: texts are cut,
 * errors and properties are missing.
 */
export const ERROR_LIMITS = {
  /** Errors, together with their causes and the errors of an AggregateError. */
  errors: 256,
  /** Causes of causes, and errors of errors. */
  depth: 32,
  /** Characters of one message, stack or other text. */
  text: 65_536,
  /** Characters and bytes of all texts and properties. */
  total: 1_048_576,
} as const;

/** Values that are looked at: those that cannot be sent take time, too. */
const MAX_STEPS = 262_144;

/**
 * A thrown value as it travels between threads: cloning would lose the classes and the own
 * properties of errors. Errors stand in a list and refer to one another by their index, so that a
 * circle of causes stays a circle. It can always be cloned.
 */
export interface Encoded {
  readonly thrown: Slot;
  readonly errors: readonly EncodedError[];
}

/** Where a value stood: a clone of it, the index of an error, or an array with errors in it. */
type Slot =
  { readonly value: unknown } | { readonly error: number } | { readonly list: readonly Slot[] };

interface EncodedError {
  readonly className: string;
  readonly name: string;
  /** A string, as a rule. */
  readonly message: unknown;
  readonly stack: string;
  /** Own enumerable properties: `code`, `errno`, `syscall`, … */
  readonly properties: readonly (readonly [string, Slot])[];
  /** Properties that are not enumerable: `cause`, `errors`. */
  readonly hidden: readonly (readonly [string, Slot])[];
}

interface KnownClass {
  make(message: string, name: string): Error;
  /** The `code` of the library's own classes: a class of the user may have the same name. */
  readonly code?: string;
  /** The properties of its own that are not enumerable, beside `cause`. */
  readonly hidden?: readonly string[];
}

/**
 * Classes that exist in every thread. An error of any other class arrives with its `name`, as an
 * instance of the nearest class in this list that it extends.
 */
const classes = new Map<string, KnownClass>();
for (const errorClass of [
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
])
  classes.set(errorClass.name, { make: (message) => new errorClass(message) });
for (const errorClass of ERROR_CLASSES) {
  const { code } = new errorClass('');
  classes.set(errorClass.name, { make: (message) => new errorClass(message), code });
}
classes.set('AggregateError', {
  make: (message) => new AggregateError([], message),
  hidden: ['errors'],
});
classes.set('DOMException', {
  make: (message, name) => new DOMException(message, name),
});
// Node.js 24 has it.
const { SuppressedError } = globalThis as {
  readonly SuppressedError?: new (error: unknown, suppressed: unknown, message: string) => Error;
};
if (SuppressedError !== undefined) {
  classes.set('SuppressedError', {
    make: (message) => new SuppressedError(undefined, undefined, message),
    hidden: ['error', 'suppressed'],
  });
}

/** The result of code that may be hostile: undefined where it throws. */
function attempt<R>(fn: () => R): R | undefined {
  try {
    return fn();
  } catch {
    // A getter or a trap of a Proxy threw. The error that is being encoded matters, not this one.
    return undefined;
  }
}

const read = (object: object, key: string): unknown =>
  attempt(() => (object as Record<string, unknown>)[key]);

/** No chain of prototypes is as long, except that of a Proxy that makes one up. */
const MAX_PROTOTYPES = 64;

/**
 * The nearest class up the prototype chain that exists in the other thread, too. Undefined if the
 * value is no error. It goes by names: the error may be of another realm, or of another copy of
 * this library.
 */
function knownClass(value: object): string | undefined {
  let proto: unknown = attempt(() => Object.getPrototypeOf(value) as unknown);
  for (let i = 0; i < MAX_PROTOTYPES && typeof proto === 'object' && proto !== null; i++) {
    const parent: object = proto;
    const constructor = read(parent, 'constructor');
    const name = typeof constructor === 'function' ? read(constructor, 'name') : undefined;
    const known = typeof name === 'string' ? classes.get(name) : undefined;
    if (known !== undefined && (known.code === undefined || read(value, 'code') === known.code))
      return name as string;
    proto = attempt(() => Object.getPrototypeOf(parent) as unknown);
  }
  return types.isNativeError(value) ? 'Error' : undefined;
}

/** The text of any value, for people. Never throws. */
export function textOf(value: unknown): string {
  const text = attempt(() => {
    const stack = typeof value === 'object' && value !== null ? read(value, 'stack') : undefined;
    return typeof stack === 'string' ? stack : String(value);
  });
  return text ?? attempt(() => inspect(value, { depth: 0 })) ?? 'a value that cannot be shown';
}

/** Own properties that an error has in a place of its own. */
const ELSEWHERE = ['name', 'message', 'stack', 'cause'];

const leftBehind = (count: number): Slot => ({
  value: `${String(count)} more left behind: an error takes at most ${String(ERROR_LIMITS.errors)} errors, ${String(ERROR_LIMITS.depth)} deep, to another thread`,
});

/** Encodes in rounds, nearest errors first: they get their share of the room first. */
class Encoder {
  readonly #errors: EncodedError[] = [];
  readonly #indexes = new Map<object, number>();
  readonly #open: { error: object; className: string; depth: number }[] = [];
  readonly #budget: CloneBudget = { room: ERROR_LIMITS.total, steps: MAX_STEPS };

  encode(thrown: unknown): Encoded {
    const slot = this.#slot(thrown, 0) ?? { value: this.#text(textOf(thrown)) };
    for (const { error, className, depth } of this.#open)
      this.#errors.push(this.#encodeError(error, className, depth + 1));
    return { thrown: slot, errors: this.#errors };
  }

  #encodeError(error: object, className: string, depth: number): EncodedError {
    const name = read(error, 'name');
    const message = read(error, 'message');
    const stack = read(error, 'stack');
    const texts = {
      className,
      name: this.#text(typeof name === 'string' ? name : className),
      message:
        typeof message === 'string' ? this.#text(message) : (this.#clone(message)?.value ?? ''),
      stack: '',
    };
    texts.stack = this.#text(typeof stack === 'string' ? stack : texts.name);
    const own = classes.get(className)?.hidden ?? [];
    const hidden: [string, Slot][] = [];
    for (const key of ['cause', ...own]) {
      const value = read(error, key);
      const slot =
        key === 'errors' && isArray(value) ? this.#list(value, depth) : this.#slot(value, depth);
      if (value !== undefined && slot !== undefined) hidden.push([key, slot]);
    }
    const properties: [string, Slot][] = [];
    for (const key of attempt(() => Object.keys(error)) ?? []) {
      if (ELSEWHERE.includes(key) || own.includes(key)) continue;
      if (!this.#takes(key.length)) break;
      const slot = this.#slot(read(error, key), depth);
      if (slot !== undefined) properties.push([key, slot]);
    }
    return { ...texts, properties, hidden };
  }

  /** Undefined if the value can neither be cloned nor is an error. */
  #slot(value: unknown, depth: number): Slot | undefined {
    if (isArray(value) && this.#budget.steps > 0) {
      const some = attempt(() => value.slice(0, ERROR_LIMITS.errors)) ?? [];
      this.#budget.steps -= some.length;
      if (some.some((one) => errorClass(one) !== undefined)) return this.#list(value, depth);
    }
    return this.#errorSlot(value, depth) ?? this.#clone(value);
  }

  #list(values: readonly unknown[], depth: number): Slot {
    const length = attempt(() => values.length) ?? 0;
    const slots: Slot[] = [];
    for (let i = 0; i < length; i++) {
      if (i >= ERROR_LIMITS.errors || !this.#takes(0)) {
        slots.push(leftBehind(length - i));
        break;
      }
      const value = attempt(() => values[i]);
      slots.push(
        this.#errorSlot(value, depth) ?? this.#clone(value) ?? { value: this.#text(textOf(value)) },
      );
    }
    return { list: slots };
  }

  #errorSlot(value: unknown, depth: number): Slot | undefined {
    const className = errorClass(value);
    if (className === undefined) return undefined;
    const error = value as object;
    const known = this.#indexes.get(error);
    if (known !== undefined) return { error: known };
    const index = this.#open.length;
    if (index >= ERROR_LIMITS.errors || depth > ERROR_LIMITS.depth) return leftBehind(1);
    this.#indexes.set(error, index);
    this.#open.push({ error, className, depth });
    return { error: index };
  }

  #clone(value: unknown): { readonly value: unknown } | undefined {
    if (typeof value === 'string') return { value: this.#text(value) };
    return boundedClone(value, this.#budget);
  }

  /** Takes room for one more value. Returns whether there was room. */
  #takes(size: number): boolean {
    this.#budget.room -= UNIT + size;
    return this.#budget.room > 0;
  }

  #text(text: string): string {
    const length = Math.max(0, Math.min(text.length, ERROR_LIMITS.text, this.#budget.room));
    this.#budget.room -= length;
    const rest = text.length - length;
    return rest === 0 ? text : `${text.slice(0, length)}… (${String(rest)} more characters)`;
  }
}

function errorClass(value: unknown): string | undefined {
  return typeof value === 'object' && value !== null ? knownClass(value) : undefined;
}

/** `Array.isArray`, which throws for a revoked Proxy. */
function isArray(value: unknown): value is readonly unknown[] {
  return attempt(() => Array.isArray(value)) === true;
}

/**
 * Encodes anything that code can throw. Never throws, and ends: it reads each error once, within
 * ERROR_LIMITS.
 */
export function encodeThrown(thrown: unknown): Encoded {
  return new Encoder().encode(thrown);
}

/** The thrown value: an error of the same class with the same properties, or a clone. */
export function decodeThrown({ thrown, errors }: Encoded): unknown {
  const made = errors.map(({ className, message, name }) => {
    const text = typeof message === 'string' ? message : '';
    return classes.get(className)?.make(text, name) ?? new Error(text);
  });
  const valueOf = (slot: Slot): unknown => {
    if ('list' in slot) return slot.list.map(valueOf);
    return 'error' in slot ? made[slot.error] : slot.value;
  };
  for (const [index, error] of made.entries()) fill(error, errors[index] as EncodedError, valueOf);
  return valueOf(thrown);
}

function fill(error: Error, encoded: EncodedError, valueOf: (slot: Slot) => unknown): void {
  const { name, message, stack, properties, hidden } = encoded;
  for (const [key, slot] of properties) define(error, key, valueOf(slot), true);
  if (error.name !== name) define(error, 'name', name);
  if (error.message !== message) define(error, 'message', message);
  // The stack of the throwing thread, not of this function.
  define(error, 'stack', stack);
  for (const [key, slot] of hidden) define(error, key, valueOf(slot));
}

/** An assignment would call setters, and one of `__proto__` would change the class. */
function define(error: Error, key: string, value: unknown, enumerable = false): void {
  Object.defineProperty(error, key, { value, configurable: true, writable: true, enumerable });
}

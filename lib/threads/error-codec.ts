import { ERROR_CLASSES } from '../errors';

/**
 * An error on its way between threads. Structured cloning would keep neither its class nor its own
 * properties.
 */
export interface EncodedError {
  readonly name: string;
  readonly className: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Own properties that can be cloned: `code`, `errno`, `syscall`, … */
  readonly properties: Readonly<Record<string, unknown>>;
  readonly cause?: Encoded;
  readonly errors?: readonly Encoded[];
}

/** What was thrown: an error, or any other value. */
export type Encoded = { readonly error: EncodedError } | { readonly value: unknown };

/**
 * Classes that exist in every thread. An error of another class arrives as an Error (or what it
 * extends of these), with its `name`.
 */
const CLASSES: readonly (new (message?: string) => Error)[] = [
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
  ...ERROR_CLASSES,
];

const byName = new Map(CLASSES.map((errorClass) => [errorClass.name, errorClass]));

/** The nearest class, up the chain, that the other thread has too. */
function knownClass(error: Error): string {
  for (
    let proto: unknown = Object.getPrototypeOf(error);
    proto !== null;
    proto = Object.getPrototypeOf(proto)
  ) {
    const { name } = (proto as { constructor: { name: string } }).constructor;
    if (name === 'AggregateError' || byName.has(name)) return name;
  }
  return 'Error';
}

const MAX_DEPTH = 16;

export function encodeThrown(thrown: unknown, depth = 0): Encoded {
  if (!(thrown instanceof Error)) return { value: clonable(thrown) ? thrown : String(thrown) };
  const properties: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(thrown)) {
    if (key !== 'name' && key !== 'cause' && key !== 'errors' && clonable(value))
      properties[key] = value;
  }
  const { cause } = thrown;
  const error: EncodedError = {
    name: thrown.name,
    className: knownClass(thrown),
    message: thrown.message,
    stack: thrown.stack,
    properties,
    // A cause may lead in a circle.
    ...(cause === undefined || depth >= MAX_DEPTH ? {} : { cause: encodeThrown(cause, depth + 1) }),
    ...(thrown instanceof AggregateError && depth < MAX_DEPTH
      ? { errors: thrown.errors.map((one) => encodeThrown(one, depth + 1)) }
      : {}),
  };
  return { error };
}

export function decodeThrown(encoded: Encoded): unknown {
  if ('value' in encoded) return encoded.value;
  const { name, className, message, stack, properties, cause, errors } = encoded.error;
  const errorClass = byName.get(className) ?? Error;
  const error =
    className === 'AggregateError'
      ? new AggregateError((errors ?? []).map(decodeThrown), message)
      : new errorClass(message);
  Object.assign(error, properties);
  if (error.name !== name) define(error, 'name', name);
  // Where it was thrown, not where it was unpacked.
  if (stack !== undefined) define(error, 'stack', stack);
  if (cause !== undefined) define(error, 'cause', decodeThrown(cause));
  return error;
}

function define(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, {
    value,
    configurable: true,
    writable: true,
    enumerable: false,
  });
}

function clonable(value: unknown): boolean {
  if (
    value === null ||
    (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol')
  )
    return true;
  try {
    structuredClone(value);
    return true;
  } catch {
    // DataCloneError is the answer.
    return false;
  }
}

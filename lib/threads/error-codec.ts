import { ERROR_CLASSES } from '../errors';

/** An error as it travels between threads: cloning would lose its class and own properties. */
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

/** A thrown value: an error, or any other value. */
export type Encoded = { readonly error: EncodedError } | { readonly value: unknown };

/**
 * Classes that exist in every thread. An error of any other class arrives with its `name`, as an
 * instance of the nearest class in this list that it extends.
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

/** The nearest class up the prototype chain that exists in the other thread, too. */
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
    // Causes may form a circle.
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
  // The stack of the throwing thread, not of this function.
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
    // A DataCloneError: the value cannot be cloned.
    return false;
  }
}

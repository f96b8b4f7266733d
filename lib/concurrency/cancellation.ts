import { types } from 'node:util';
import { CancelledError, TimeoutError } from '../errors';

/** A scope, as far as the errors of its cancellation go. */
export interface CancellationOwner {
  /** The scope was left while a scope around it was cancelled: that one absorbs its errors. */
  readonly isPassed: boolean;
  /** Whether `scope` is this one or around it. */
  isWithin(scope: CancellationOwner): boolean;
  /** Whether this scope absorbs the errors of `scope`'s cancellation. */
  owns(scope: CancellationOwner): boolean;
}

/**
 * Whose each CancelledError of this library is. Beside the errors and not in them: a user may
 * print, copy and compare those.
 */
const owners = new WeakMap<object, CancellationOwner>();

/** What is left of an error that was nothing but cancellation. */
export const NOTHING: unique symbol = Symbol('nothing');

/** Makes the one error of `scope`'s cancellation. */
export function cancellationOf(
  scope: CancellationOwner,
  message: string,
  options?: ErrorOptions,
): CancelledError {
  const error = new CancelledError(message, options);
  owners.set(error, scope);
  return error;
}

/**
 * The scope whose cancellation `error` is: the CancelledError itself, or an error that has it as
 * `cause`, like the AbortErrors of Node's own functions. A TimeoutError is an answer to a
 * cancellation, and no longer one. An error of several is what its parts are.
 */
export function ownerOf(error: unknown): CancellationOwner | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const owner = owners.get(error);
  if (owner !== undefined) return owner;
  if (!isError(error) || error instanceof TimeoutError || error instanceof AggregateError)
    return undefined;
  const { cause } = error;
  if (typeof cause !== 'object' || cause === null) return undefined;
  // One that carries more than the scope's own, like the bytes that were sent, has that as its
  // cause.
  return (
    owners.get(cause) ??
    (cause instanceof CancelledError ? owners.get(cause.cause as object) : undefined)
  );
}

/** Errors of other realms (node:vm) are errors too. */
function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value);
}

/**
 * What `using` throws when disposing failed after something else had: a SuppressedError, or what
 * compilers make of it for older runtimes.
 */
interface Suppressed extends Error {
  readonly error: unknown;
  readonly suppressed: unknown;
}

function isSuppressed(error: unknown): error is Suppressed {
  return (
    isError(error) && error.name === 'SuppressedError' && 'error' in error && 'suppressed' in error
  );
}

/**
 * `error` without the parts that `isTaken` takes: the same object if there were none, NOTHING if
 * there was nothing else. An error of several that is left with some is copied, since others may
 * hold the original.
 */
export function remainder(
  error: unknown,
  isTaken: (part: unknown) => boolean,
  outer?: ReadonlySet<unknown>,
): unknown {
  if (isTaken(error)) return NOTHING;
  const isMany = error instanceof AggregateError;
  if ((!isMany && !isSuppressed(error)) || outer?.has(error) === true) return error;
  const around = new Set(outer).add(error);
  const parts: readonly unknown[] = isMany ? error.errors : [error.error, error.suppressed];
  const left = parts.map((part) => remainder(part, isTaken, around));
  if (left.every((part, index) => part === parts[index])) return error;
  const rest = left.filter((part) => part !== NOTHING);
  if (rest.length === 0) return NOTHING;
  if (isMany) return copyOf(error, { errors: rest });
  return rest.length === 1 ? rest[0] : copyOf(error, { error: rest[0], suppressed: rest[1] });
}

function copyOf(original: Error, changes: Readonly<Record<string, unknown>>): Error {
  const { stack: _stack, ...properties } = Object.getOwnPropertyDescriptors(original);
  const copy = new Error(original.message);
  Object.setPrototypeOf(copy, Object.getPrototypeOf(original) as object);
  Object.defineProperties(copy, properties);
  for (const [name, value] of Object.entries(changes))
    Object.defineProperty(copy, name, { value, writable: true, configurable: true });
  if (original.stack !== undefined) copy.stack = original.stack;
  return copy;
}

/**
 * What an error says besides "cancelled": NOTHING if it is a CancelledError, whoever made it, or
 * was caused by one of a scope around `node`.
 */
export function failureIn(error: unknown, node: CancellationOwner): unknown {
  return remainder(error, (part) => part instanceof CancelledError || isOfScopeAround(part, node));
}

/** Whether any part of an error comes of the cancellation of `node`, or of a scope around it. */
export function concerns(error: unknown, node: CancellationOwner): boolean {
  let isConcerned = false;
  remainder(error, (part) => {
    isConcerned ||= isOfScopeAround(part, node);
    return isConcerned;
  });
  return isConcerned;
}

/** Whether any part of an error comes of the cancellation of `node` itself. */
export function isPartlyOf(error: unknown, node: CancellationOwner): boolean {
  return remainder(error, (part) => isOf(part, node)) !== error;
}

/**
 * Whether an error is nothing but cancellation, of whatever scope, or of a user's making: nobody
 * needs to hear of it.
 */
export function isCancellation(error: unknown): boolean {
  return (
    remainder(error, (part) => part instanceof CancelledError || ownerOf(part) !== undefined) ===
    NOTHING
  );
}

/** The CancelledError in an error that is nothing but cancellation. */
export function cancelledErrorIn(error: unknown): CancelledError {
  if (error instanceof CancelledError) return error;
  if (error instanceof AggregateError) return cancelledErrorIn(error.errors[0]);
  return isSuppressed(error)
    ? cancelledErrorIn(error.error)
    : ((error as Error).cause as CancelledError);
}

function isOfScopeAround(error: unknown, node: CancellationOwner): boolean {
  const owner = ownerOf(error);
  return owner !== undefined && (node.isWithin(owner) || node.owns(owner));
}

function isOf(error: unknown, node: CancellationOwner): boolean {
  const owner = ownerOf(error);
  return owner !== undefined && node.owns(owner);
}

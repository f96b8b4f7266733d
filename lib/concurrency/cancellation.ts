import { CancelledError, isAggregateError, isError } from '../errors';

/** A scope as seen from the errors of its cancellation. */
export interface CancellationOwner {
  /**
   * Whether the scope ended while a scope around it was cancelled, too, so that the errors of its
   * own cancellation are for the outer scope to absorb.
   */
  readonly leftErrorsToOuter: boolean;
  /** Whether `scope` is this scope or around it. Shields in between make no difference. */
  isWithin(scope: CancellationOwner): boolean;
  /**
   * Whether this scope may absorb the errors of `scope`'s cancellation: its own, and those that an
   * inner scope left to it.
   */
  owns(scope: CancellationOwner): boolean;
}

/**
 * The owner of each CancelledError that this library made. The errors themselves do not hold it,
 * since users print, copy and compare them.
 */
const owners = new WeakMap<object, CancellationOwner>();

/** Stands for "no part of the error is left". Undefined cannot: it may be thrown. */
export const NO_ERROR: unique symbol = Symbol('no error');

/** Makes the error of `scope`'s cancellation, which has `scope` as its owner. */
export function createCancellation(
  scope: CancellationOwner,
  message: string,
  options?: ErrorOptions,
): CancelledError {
  const error = new CancelledError(message, options);
  owners.set(error, scope);
  return error;
}

/**
 * The scope that `error` is a cancellation of: of the CancelledError itself, or of an AbortError
 * that reports one. Any other error is none, also if its `cause` is a CancelledError: user code has
 * made another error of the cancellation, and wants it seen. An error with several parts has no
 * owner either; its parts have.
 */
export function ownerOf(error: unknown): CancellationOwner | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const owner = owners.get(error);
  if (owner !== undefined) return owner;
  const reported = reportedBy(error);
  return reported === undefined ? undefined : ownerOfReported(reported);
}

/** AbortErrors hold the reason of their signal: those of Node as `cause`, others as `reason`. */
type Reporting = Error & { readonly code?: unknown; readonly reason?: unknown };

/**
 * The CancelledError that `error` reports: a CancelledError with details of its own, like the count
 * of bytes that were sent, has the scope's error as its cause, and an AbortError has one of both.
 */
function reportedBy(error: object): CancelledError | undefined {
  if (!isError(error) || isAggregateError(error)) return undefined;
  const { name, code, cause, reason } = error as Reporting;
  if (name !== 'AbortError' && code !== 'ABORT_ERR') return undefined;
  return [cause, reason].find(
    (one): one is CancelledError =>
      one instanceof CancelledError && ownerOfReported(one) !== undefined,
  );
}

function ownerOfReported(error: CancelledError): CancellationOwner | undefined {
  return owners.get(error) ?? owners.get(error.cause as object);
}

/**
 * What `using` throws if disposing fails after another error: a SuppressedError, or what compilers
 * make in its place for runtimes without it.
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
 * `error` without the parts for which `isTaken` returns true: the same object if there are none,
 * NO_ERROR if there are no others. An AggregateError or SuppressedError that loses some of its
 * parts is copied, since other code may hold the original.
 */
export function remainder(error: unknown, isTaken: (part: unknown) => boolean): unknown {
  try {
    return remainderWithin(error, isTaken);
  } catch {
    // Code of the error itself threw (a getter, a revoked Proxy): it is no error of this library.
    return error;
  }
}

/** @param outer the errors that `error` is a part of: a part may be one of them again */
function remainderWithin(
  error: unknown,
  isTaken: (part: unknown) => boolean,
  outer?: ReadonlySet<unknown>,
): unknown {
  if (isTaken(error)) return NO_ERROR;
  const isMany = isAggregateError(error);
  if ((!isMany && !isSuppressed(error)) || outer?.has(error) === true) return error;
  const around = new Set(outer).add(error);
  const parts: readonly unknown[] = isMany ? error.errors : [error.error, error.suppressed];
  const left = parts.map((part) => remainderWithin(part, isTaken, around));
  if (left.every((part, index) => part === parts[index])) return error;
  const rest = left.filter((part) => part !== NO_ERROR);
  if (rest.length === 0) return NO_ERROR;
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
 * `error` without its cancellations, or NO_ERROR if it has no other parts. Cancellations are all
 * CancelledErrors, those that users made included, and AbortErrors that report the cancellation of
 * `node` or of a scope around it.
 */
export function failureIn(error: unknown, node: CancellationOwner): unknown {
  return remainder(error, (part) => part instanceof CancelledError || isOfScopeOrOuter(part, node));
}

/** Whether any part of `error` comes from the cancellation of `node` or of a scope around it. */
export function comesFromScopeOrOuter(error: unknown, node: CancellationOwner): boolean {
  let isFound = false;
  remainder(error, (part) => {
    isFound ||= isOfScopeOrOuter(part, node);
    return isFound;
  });
  return isFound;
}

/** Whether any part of `error` comes from the cancellation of `node` itself. */
export function comesFromScope(error: unknown, node: CancellationOwner): boolean {
  return remainder(error, (part) => isOfScope(part, node)) !== error;
}

/**
 * Whether `error` consists of cancellations alone, of any scope or made by a user. A rejection with
 * such an error need not be reported as unhandled.
 */
export function isCancellation(error: unknown): boolean {
  return (
    remainder(error, (part) => part instanceof CancelledError || ownerOf(part) !== undefined) ===
    NO_ERROR
  );
}

/** The first CancelledError in an error that consists of cancellations alone. */
export function cancelledErrorIn(error: unknown): CancelledError {
  if (error instanceof CancelledError) return error;
  if (isAggregateError(error)) return cancelledErrorIn(error.errors[0]);
  return isSuppressed(error)
    ? cancelledErrorIn(error.error)
    : (reportedBy(error as Error) as CancelledError);
}

function isOfScopeOrOuter(error: unknown, node: CancellationOwner): boolean {
  const owner = ownerOf(error);
  return owner !== undefined && (node.isWithin(owner) || node.owns(owner));
}

function isOfScope(error: unknown, node: CancellationOwner): boolean {
  const owner = ownerOf(error);
  return owner !== undefined && node.owns(owner);
}

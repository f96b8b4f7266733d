import { getSystemErrorMap, types } from 'node:util';

/**
 * A cancelled scope rejects checkpoints with this error. Rethrow it: after a `catch` that swallows
 * it, the next checkpoint rejects again.
 *
 * A CancelledError made by this library belongs to one cancelled scope, and only that scope stops
 * it. A CancelledError made by a user belongs to no scope: it passes through scopes, and ends its
 * task as cancelled.
 */
export class CancelledError extends Error {
  readonly code = 'ABORT_ERR';
  /** The bytes that a cancelled stream send had sent. Absent if it had sent none. */
  declare readonly bytesSent?: number;
  /** The datagrams that a cancelled `sendMany` had sent. Absent if it had sent none. */
  declare readonly packetsSent?: number;

  constructor(message = 'The task was cancelled', options?: ErrorOptions) {
    super(message, options);
  }
}

/** The deadline of a `timeout()` or `timeoutAt()` scope has passed. */
export class TimeoutError extends Error {
  readonly code = 'ETIMEDOUT';

  constructor(message = 'timed out', options?: ErrorOptions) {
    super(message, options);
  }
}

/** The backend, the platform or the transport cannot do this. */
export class UnsupportedOperationError extends Error {
  readonly code = 'ERR_UNSUPPORTED_OPERATION';
}

/** A resource was used after it was closed, or was closed while a task waited on it. */
export class ClosedResourceError extends Error {
  readonly code = 'ERR_CLOSED_RESOURCE';
}

/** Two tasks receive at once, or two tasks send at once, on one resource. */
export class BusyResourceError extends Error {
  readonly code = 'ERR_BUSY_RESOURCE';
}

/**
 * A call that the object's state does not allow: a lock released by a task that does not hold it, a
 * scope entered twice.
 */
export class InvalidStateError extends Error {
  readonly code = 'ERR_INVALID_STATE';
}

/** `extra(attribute)` found no value, and no fallback was given. */
export class AttributeLookupError extends Error {
  readonly code = 'ERR_ATTRIBUTE_LOOKUP';
}

/** The library's own classes of errors. @internal */
export const ERROR_CLASSES = [
  CancelledError,
  TimeoutError,
  UnsupportedOperationError,
  ClosedResourceError,
  BusyResourceError,
  InvalidStateError,
  AttributeLookupError,
] as const;

// Names are set on the prototypes, not by constructors: a stack trace begins with the name that the
// error has when it is constructed.
for (const errorClass of ERROR_CLASSES) {
  Object.defineProperty(errorClass.prototype, 'name', {
    value: errorClass.name,
    configurable: true,
    writable: true,
  });
}

/** An Error of any realm: node:vm, and so Jest, has an Error of its own. */
export function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value);
}

/** An AggregateError of any realm. */
export function isAggregateError(value: unknown): value is AggregateError {
  if (value instanceof AggregateError) return true;
  // Errors of this realm need no closer look, which may run code of theirs.
  if (value instanceof Error || !types.isNativeError(value)) return false;
  return value.name === 'AggregateError' && Array.isArray((value as AggregateError).errors);
}

/**
 * The error of a send that failed after `packetsSent` datagrams. The CancelledError of a scope
 * belongs to all operations in it: a send that has to count gets its own, with that as the cause.
 */
export function withPacketsSent(error: unknown, packetsSent: number): unknown {
  if (packetsSent === 0 || !isError(error)) return error;
  const own =
    error instanceof CancelledError ? new CancelledError(error.message, { cause: error }) : error;
  return Object.assign(own, { packetsSent });
}

/** The target of a system call, as errors of Node.js carry it. */
export interface SystemErrorTarget {
  readonly address?: string;
  readonly port?: number;
  readonly path?: string;
}

/**
 * A failed system call, in the shape of Node's own errors: `code`, `errno` (negative), `syscall`,
 * and the target if there is one.
 */
export interface SystemError extends Error, SystemErrorTarget {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
}

/** Turns the negative code of a native call into an error. Only this function does so. */
export function systemError(
  errno: number,
  syscall: string,
  target?: SystemErrorTarget,
): SystemError {
  const [code, text] = getSystemErrorMap().get(errno) ?? [
    `UNKNOWN_${String(-errno)}`,
    'unknown error',
  ];
  const where =
    target?.path !== undefined
      ? ` '${printablePath(target.path)}'`
      : target?.address !== undefined
        ? ` ${target.address}${target.port === undefined ? '' : `:${String(target.port)}`}`
        : '';
  const error = new Error(`${syscall} ${code}${where}: ${text}`) as Error & {
    -readonly [K in keyof SystemError]: SystemError[K];
  };
  error.errno = errno;
  error.code = code;
  error.syscall = syscall;
  if (target?.address !== undefined) error.address = target.address;
  if (target?.port !== undefined) error.port = target.port;
  if (target?.path !== undefined) error.path = target.path;
  return error;
}

/**
 * As `systemError`, by the name of the error: its number differs between platforms, and Windows has
 * numbers of libuv's own.
 */
export function systemErrorNamed(
  name: string,
  syscall: string,
  target?: SystemErrorTarget,
): SystemError {
  for (const [errno, [known]] of getSystemErrorMap()) {
    if (known === name) return systemError(errno, syscall, target);
  }
  throw new RangeError(`No system error is named ${name}`);
}

/**
 * Adds to the message of an EADDRINUSE for a socket file what it may mean. Other errors are left
 * alone.
 */
export function explainFileInUse(error: unknown): void {
  if (!(error instanceof Error) || (error as SystemError).code !== 'EADDRINUSE') return;
  error.message +=
    ' (the file exists: another socket is bound to it, or one was and left it behind; remove the file if no process listens there)';
}

/** The error of a socket file in whose place something else is, right after it was made. */
export function explainReplacedFile(path: string): SystemError {
  const error = systemErrorNamed('ENOTSOCK', 'chmod', { path });
  error.message += ' (something else was put in the place of the socket file that was just made)';
  return error;
}

/**
 * A failed look-up, in the shape of Node's own errors. `code` is ENOTFOUND for a name without an
 * address (EAI_NONAME, EAI_NODATA), otherwise the EAI_ name.
 */
export interface ResolverError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  readonly hostname: string;
}

/** Turns the negative UV_EAI_ code of a look-up into an error. */
export function resolverError(errno: number, syscall: string, hostname: string): ResolverError {
  const [name, text] = getSystemErrorMap().get(errno) ?? [
    `UNKNOWN_${String(-errno)}`,
    'unknown error',
  ];
  const code = name === 'EAI_NONAME' || name === 'EAI_NODATA' ? 'ENOTFOUND' : name;
  return Object.assign(new Error(`${syscall} ${code} ${hostname}: ${text}`), {
    errno,
    code,
    syscall,
    hostname,
  });
}

/**
 * An abstract Unix name begins with NUL, which terminals do not show. ss and netstat print `@` in
 * its place.
 */
function printablePath(path: string): string {
  return path.replaceAll('\0', '@');
}

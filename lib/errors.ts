import { getSystemErrorMap } from 'node:util';

/**
 * Thrown into a task by a cancelled scope. Rethrow it: a `catch` that swallows it only puts it off
 * to the next checkpoint.
 *
 * One CancelledError made by this library belongs to one cancelled scope, and that scope alone
 * absorbs it. One made by a user belongs to none: it ends its task as cancelled, and passes through
 * scopes.
 */
export class CancelledError extends Error {
  readonly code = 'ABORT_ERR';
  /** Of a cancelled stream send: the bytes that had been sent already. Absent means none. */
  declare readonly bytesSent?: number;
  /** Of a cancelled `sendMany`: the packets that had been sent already. Absent means none. */
  declare readonly packetsSent?: number;

  constructor(message = 'The task was cancelled', options?: ErrorOptions) {
    super(message, options);
  }
}

/** A `timeout()` or `timeoutAt()` scope ran out. */
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

/** Used after it was closed, or closed while a task was waiting on it. */
export class ClosedResourceError extends Error {
  readonly code = 'ERR_CLOSED_RESOURCE';
}

/** Two tasks receive, or two tasks send, on one resource at once. */
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

/** `extra(attribute)` found no such attribute, and no fallback was given. */
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

// On the prototypes, and not set by constructors: a stack trace begins with the name that the error
// has when it is made.
for (const errorClass of ERROR_CLASSES) {
  Object.defineProperty(errorClass.prototype, 'name', {
    value: errorClass.name,
    configurable: true,
    writable: true,
  });
}

/**
 * The error of a send that failed after `packetsSent` datagrams. The CancelledError of a scope
 * belongs to all operations in it: a send that has to count gets its own, with that as the cause.
 */
export function withPacketsSent(error: unknown, packetsSent: number): unknown {
  if (packetsSent === 0 || !(error instanceof Error)) return error;
  const own =
    error instanceof CancelledError ? new CancelledError(error.message, { cause: error }) : error;
  return Object.assign(own, { packetsSent });
}

/** Where a system call was aimed: what a Node error carries beside its code. */
export interface SystemErrorTarget {
  readonly address?: string;
  readonly port?: number;
  readonly path?: string;
}

/**
 * A failed system call, in the shape that Node gives its own: `code`, `errno` (negative),
 * `syscall`, and the target if there is one.
 */
export interface SystemError extends Error, SystemErrorTarget {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
}

/** Turns the negative code of a native call into an error. No other function does. */
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
 * The same for an error that is known by its name: libuv numbers it as the platform does, and on
 * Windows in its own way.
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
 * Tells a bind that failed with EADDRINUSE for a socket file what that may mean. Any other error
 * stays as it is.
 */
export function explainFileInUse(error: unknown): void {
  if (!(error instanceof Error) || (error as SystemError).code !== 'EADDRINUSE') return;
  error.message +=
    ' (the file exists: another socket is bound to it, or one was that left it behind; remove it if nobody listens there)';
}

/**
 * A failed look-up, in Node's shape. `code` is ENOTFOUND for a name that nobody knows (EAI_NONAME,
 * EAI_NODATA), else the EAI_ name.
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
 * An abstract Unix name begins with NUL, which terminals show as nothing: `@` is how ss and netstat
 * print it.
 */
function printablePath(path: string): string {
  return path.replaceAll('\0', '@');
}

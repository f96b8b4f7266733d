import { currentBackend } from '../concurrency/backend';
import { InvalidStateError } from '../errors';
import { invalidArgument } from '../arguments/validate';
import type { BackendOptions } from '../threads/threaded-backend';
import type { AsyncBackend } from '../contract/backend';
import { NativeBackend } from './native/backend';
import { NodeBackend } from './node/backend';

/** 'native': this package's addon. 'node': node:net and node:dgram alone. */
export type BuiltinBackendName = 'native' | 'node';

const BACKENDS: Readonly<
  Record<BuiltinBackendName, new (options?: BackendOptions) => AsyncBackend>
> = {
  native: NativeBackend,
  node: NodeBackend,
};

/**
 * A new backend.
 * @throws Error `ERR_NATIVE_UNAVAILABLE`, for 'native', that says which binaries were looked for,
 *   if none loads on this platform; TypeError for any other name.
 */
export function newBuiltinBackend(
  name: BuiltinBackendName,
  options?: BackendOptions,
): AsyncBackend {
  if (!Object.hasOwn(BACKENDS, name)) throw invalidArgument('name', "'native' or 'node'", name);
  return new BACKENDS[name](options);
}

/**
 * The backend that is given, or a new one of that name, or, without an argument, the backend that
 * runs the current task.
 * @throws InvalidStateError without an argument outside of any task, and in a task of a backend
 *   without networking; TypeError for a value that is neither a backend nor the name of one
 */
export function ensureBackend(backend?: AsyncBackend | BuiltinBackendName): AsyncBackend {
  if (backend === undefined) {
    const current = currentBackend();
    if (current === undefined)
      throw new InvalidStateError('No task is running here: give the backend, or its name');
    if (!isAsyncBackend(current))
      throw new InvalidStateError('The backend of this task has no networking: give another');
    return current;
  }
  if (typeof backend === 'string') return newBuiltinBackend(backend);
  if (!isAsyncBackend(backend))
    throw invalidArgument('backend', 'a backend or the name of one', backend);
  return backend;
}

/**
 * Whether a value is a backend with networking: one of this library, or a custom one. It looks for
 * the methods of the contract and does not call them.
 */
export function isAsyncBackend(value: unknown): value is AsyncBackend {
  const { bootstrap, createTcpConnection, createTcpListeners } =
    (value as Partial<AsyncBackend> | null | undefined) ?? {};
  return [bootstrap, createTcpConnection, createTcpListeners].every(
    (method) => typeof method === 'function',
  );
}

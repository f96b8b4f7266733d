import { checkChoice, invalidArgument } from '../arguments/validate';
import { currentBackend } from '../concurrency/backend';
import type { AsyncBackend } from '../contract/backend';
import { InvalidStateError } from '../errors';
import type { BackendOptions } from '../threads/threaded-backend';
import { NativeBackend } from './native/backend';
import { NodeBackend } from './node/backend';

/** 'native' stands on this package's addon, 'node' on node:net, node:dgram and node:dns alone. */
export type BuiltinBackendName = 'native' | 'node';

const BACKENDS: Readonly<
  Record<BuiltinBackendName, new (options?: BackendOptions) => AsyncBackend>
> = {
  native: NativeBackend,
  node: NodeBackend,
};

/**
 * A new backend.
 * @throws Error `ERR_NATIVE_UNAVAILABLE` for 'native', if no binary loads on this platform: the
 *   message lists the binaries that were tried; TypeError for an unknown name
 */
export function newBuiltinBackend(
  name: BuiltinBackendName,
  options?: BackendOptions,
): AsyncBackend {
  checkChoice('name', name, BACKENDS);
  return new BACKENDS[name](options);
}

/**
 * The backend that is given, or a new backend of the given name. Without an argument, the backend
 * that runs the current task.
 * @throws InvalidStateError without an argument, outside of any task or in a task of a backend
 *   without networking; TypeError for a value that is neither a backend nor the name of one
 */
export function ensureBackend(backend?: AsyncBackend | BuiltinBackendName): AsyncBackend {
  if (backend === undefined) {
    const current = currentBackend();
    if (current === undefined)
      throw new InvalidStateError('No task is running here: pass a backend, or the name of one');
    if (!isAsyncBackend(current))
      throw new InvalidStateError(
        'The backend of this task has no networking: pass a backend that has',
      );
    return current;
  }
  if (typeof backend === 'string') return newBuiltinBackend(backend);
  if (!isAsyncBackend(backend))
    throw invalidArgument('backend', 'a backend or the name of one', backend);
  return backend;
}

/**
 * Whether a value is a backend with networking, of this library or custom. It has the methods of
 * the contract then; none is called.
 */
export function isAsyncBackend(value: unknown): value is AsyncBackend {
  const { bootstrap, createTcpConnection, createTcpListeners } =
    (value as Partial<AsyncBackend> | null | undefined) ?? {};
  return [bootstrap, createTcpConnection, createTcpListeners].every(
    (method) => typeof method === 'function',
  );
}

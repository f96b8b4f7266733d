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
 * The backend given, or a new one of that name, or, without argument, the one that runs the current
 * task.
 * @throws InvalidStateError without argument outside of any task; TypeError for anything else that
 *   is no backend.
 */
export function ensureBackend(backend?: AsyncBackend | BuiltinBackendName): AsyncBackend {
  if (backend === undefined) {
    const current = currentBackend();
    if (current === undefined)
      throw new InvalidStateError('No task is running here: give the backend, or its name');
    return current as unknown as AsyncBackend;
  }
  if (typeof backend === 'string') return newBuiltinBackend(backend);
  if (
    typeof (backend as unknown) !== 'object' ||
    (backend as unknown) === null ||
    typeof (backend as Partial<AsyncBackend>).bootstrap !== 'function'
  ) {
    throw invalidArgument('backend', 'a backend or the name of one', backend);
  }
  return backend;
}

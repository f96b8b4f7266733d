import type { ThreadsPortal } from '../contract/threads';
import type { AsyncBackend } from '../contract/backend';
import { type Call, type Outcome, threadFunction } from './thread-functions';

/** Runs a function that is given a handle of its own, in a thread of the backend. */
export function inThread<R>(
  backend: AsyncBackend,
  portal: ThreadsPortal,
  name: Parameters<typeof threadFunction>[0],
  args: readonly unknown[],
  options: { abandonOnCancel?: boolean } = {},
): Promise<R> {
  const handle = portal.handle();
  return backend.runInThread<R>(threadFunction(name), [handle, ...args], {
    transfer: [handle.port],
    ...options,
  });
}

/** Makes calls from another thread, one after another. */
export function callFromThread(
  backend: AsyncBackend,
  portal: ThreadsPortal,
  ...calls: readonly Call[]
): Promise<Outcome[]> {
  return inThread(backend, portal, 'callPortal', [calls]);
}

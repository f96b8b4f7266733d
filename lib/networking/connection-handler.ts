import { isCancellation } from '../concurrency/cancellation';
import type { TaskLimit } from '../concurrency/task-limit';
import { currentTask } from '../concurrency/task-node';
import type { Awaitable, TaskGroup } from '../contract/tasks';
import { isPeerError } from './is-peer-error';
import type { CheckedServeOptions } from './serve-options';

/** Closes a transport at once: its handler has failed, or could not be started. */
export type Discard<T> = (transport: T) => Awaitable<void>;

/** The `Discard` of transports that close at once when they are disposed. */
export function disposeNow(transport: Disposable): void {
  transport[Symbol.dispose]();
}

/**
 * Makes what starts the handler of each connection as a task, by the options of `serve`. It throws
 * what `startSoon` throws, and then has not taken the transport.
 */
export function connectionHandler<T extends { aclose(): Promise<void> }>(
  handler: (transport: T) => Awaitable<void>,
  options: CheckedServeOptions<T>,
  discard: Discard<T>,
  limit: TaskLimit,
): (group: TaskGroup, transport: T) => void {
  const { maxConnections, closeAfter, onPeerError, onError } = options;
  // An async function may be given, too. Its rejection must not go unhandled.
  const tell: ((error: unknown, transport: T) => unknown) | undefined = onError;
  const isPlain =
    maxConnections === Infinity && !closeAfter && onPeerError === 'raise' && onError === undefined;
  // An async function around each handler would be a good part of an idle connection's memory, so
  // there is one only where the options, or a custom group, need it.
  if (isPlain && (discard as unknown) === disposeNow)
    return (group, transport) => {
      startOwner(group, handler, transport as T & Disposable);
    };

  const supervise = async (transport: T): Promise<void> => {
    try {
      await handler(transport);
      if (closeAfter) await transport.aclose();
    } catch (error) {
      try {
        if (isCancellation(error)) throw error;
        if (onPeerError === 'ignore' && isPeerError(error)) return;
        if (tell === undefined) throw error;
        await tell(error, transport);
      } finally {
        await discard(transport);
      }
    } finally {
      limit.release();
    }
  };
  return (group, transport) => {
    group.startSoon(() => supervise(transport));
    // Here, not in the task: it begins after the next connection may have been accepted.
    limit.take();
  };
}

/** Starts a task that owns its transport: if the handler fails or is cancelled, it is closed. */
function startOwner<T extends Disposable>(
  group: TaskGroup,
  handler: (transport: T) => Awaitable<void>,
  transport: T,
): void {
  const begin = (): Awaitable<void> =>
    currentTask()?.disposesOf(transport) === true
      ? handler(transport)
      : handleAndDispose(handler, transport);
  group.startSoon(begin, { owns: transport });
}

/** For a custom group that ignores `owns`. */
async function handleAndDispose<T extends Disposable>(
  handler: (transport: T) => Awaitable<void>,
  transport: T,
): Promise<void> {
  try {
    await handler(transport);
  } catch (error) {
    transport[Symbol.dispose]();
    throw error;
  }
}

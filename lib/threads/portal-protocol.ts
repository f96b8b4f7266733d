import type { PortalHandle } from '../contract/threads';
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { warn } from '../waiting/warn';
import type { Encoded } from './error-codec';

/** The version of what is posted. Two copies of the library in one process may differ. */
export const PROTOCOL = 2;

/** What the calling thread posts. */
export type PortalRequest =
  | {
      readonly type: 'call';
      readonly id: number;
      readonly name: string;
      readonly mode: 'sync' | 'coroutine';
      readonly args: readonly unknown[];
    }
  | { readonly type: 'cancel'; readonly id: number }
  // Asks which of these calls have been answered: a message could not be read, and took its id with
  // it. Messages keep their order, so the portal has received all of the calls.
  | { readonly type: 'unread'; readonly ids: readonly number[] }
  // Has no effect: posting it reports whether the portal's port is still open.
  | { readonly type: 'ping' };

/** What the portal posts: one reply to each call, and what a message that cannot be read needs. */
export type PortalReply =
  // A message of the calling thread could not be read.
  | { readonly id: 0; readonly status: 'unread' }
  // The answer to 'unread': the reply to this call has been posted, or the call never arrived.
  | { readonly id: number; readonly status: 'lost' }
  | { readonly id: number; readonly status: 'returned'; readonly value: unknown }
  | { readonly id: number; readonly status: 'thrown'; readonly thrown: Encoded }
  | { readonly id: number; readonly status: 'cancelled' }
  | { readonly id: number; readonly status: 'closed' };

/** Indexes into the shared memory of a connection: the count of replies, the portal's state. */
export const REPLIES = 0;
export const STATE = 1;

/** Values of STATE. */
export const NOT_OPEN = 0;
export const OPEN = 1;
/** New calls are refused; pending calls still get their replies. */
export const CLOSING = 2;
/** No more replies. */
export const CLOSED = 3;

/** A handle with the parts that only this library uses. */
export interface OwnPortalHandle extends PortalHandle {
  /**
   * Memory of both threads: the count of replies, on which a blocked thread waits, and the state.
   */
  readonly signals: SharedArrayBuffer;
  /** The id of the portal's thread. */
  readonly threadId: number;
  readonly protocol: typeof PROTOCOL;
}

type Fields = Readonly<Record<string, unknown>>;

/** Whether a message is a request: the port of a handle is in the hands of users. */
export function isRequest(message: unknown): message is PortalRequest {
  if (typeof message !== 'object' || message === null) return false;
  const { type, id, ids, name, mode, args } = message as Fields;
  switch (type) {
    case 'call':
      return (
        typeof id === 'number' &&
        typeof name === 'string' &&
        (mode === 'sync' || mode === 'coroutine') &&
        Array.isArray(args)
      );
    case 'cancel':
      return typeof id === 'number';
    case 'unread':
      return Array.isArray(ids) && ids.every((one) => typeof one === 'number');
    default:
      return type === 'ping';
  }
}

/** Whether a message is a reply. What it carries is not checked. */
export function isReply(message: unknown): message is PortalReply {
  if (typeof message !== 'object' || message === null) return false;
  const { id, status } = message as Fields;
  return typeof id === 'number' && typeof status === 'string' && STATUSES.has(status);
}

const STATUSES: ReadonlySet<string> = new Set<PortalReply['status']>([
  'returned',
  'thrown',
  'cancelled',
  'closed',
  'unread',
  'lost',
]);

/** Takes the messages that have arrived at a port. One that cannot be cloned here is unread. */
export function takeMessages(
  port: MessagePort,
  onMessage: (message: unknown) => void,
  onUnread: () => void,
): void {
  for (;;) {
    let next: { message: unknown } | undefined;
    try {
      next = receiveMessageOnPort(port);
    } catch {
      // Node.js has taken the message out of the queue, and could not make its value.
      onUnread();
      continue;
    }
    if (next === undefined) return;
    onMessage(next.message);
  }
}

/** For a message that this library did not post. */
export function warnOfStray(): void {
  warn(
    'A message on the port of a ThreadsPortal was ignored: only the portal and connectThreadsPortal() may post to that port',
    { code: 'SOCKSCOPE_PORTAL' },
  );
}

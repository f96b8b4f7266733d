import type { PortalHandle } from '../contract/threads';
import type { Encoded } from './error-codec';

/** What a caller sends: through the port. */
export type PortalRequest =
  | {
      readonly type: 'call';
      readonly id: number;
      readonly name: string;
      readonly mode: 'sync' | 'coroutine';
      readonly args: readonly unknown[];
    }
  | { readonly type: 'cancel'; readonly id: number }
  // Asks for nothing: whether it can be posted tells whether the portal's thread is still there.
  | { readonly type: 'ping' };

/** What it gets back, for each call once. */
export type PortalReply =
  | { readonly id: number; readonly status: 'returned'; readonly value: unknown }
  | { readonly id: number; readonly status: 'thrown'; readonly thrown: Encoded }
  | { readonly id: number; readonly status: 'cancelled' }
  | { readonly id: number; readonly status: 'closed' };

/** Places in a connection's shared memory. */
export const REPLIES = 0;
export const STATE = 1;

/** Values of STATE. */
export const NOT_OPEN = 0;
export const OPEN = 1;
/** No new calls; those under way are still answered. */
export const CLOSING = 2;
/** Nothing is answered any more. */
export const CLOSED = 3;

/** A handle as this library makes and reads it. */
export interface OwnPortalHandle extends PortalHandle {
  /** Memory of both threads: the count of replies, on which a blocked thread waits, and the state. */
  readonly signals: SharedArrayBuffer;
  /** The thread of the portal. */
  readonly threadId: number;
}

import type { PortalHandle } from '../contract/threads';
import type { Encoded } from './error-codec';

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
  // Has no effect: posting it reports whether the portal's port is still open.
  | { readonly type: 'ping' };

/** What the portal posts: one reply to each call. */
export type PortalReply =
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
}

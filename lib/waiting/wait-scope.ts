import type { CancelledError } from '../errors';

/**
 * A cancel scope as seen by the operations that wait in it. `concurrency` implements it; sockets
 * and everything else that waits know no more of a scope than this.
 */
export interface WaitScope {
  /**
   * The error that every checkpoint in this scope rejects with, or null. Cancelling writes it into
   * all scopes concerned, so that a checkpoint only has to read this field.
   */
  readonly cancellation: CancelledError | null;
  /** Adds a pending operation to the scope's list: a cancellation of the scope cancels it. */
  link(operation: PendingOperation): void;
  /** Removes an operation from the list. */
  unlink(operation: PendingOperation): void;
}

/** An operation of any result, as in the list of a scope. */
export interface PendingOperation {
  // The scope owns these three fields. `previous` and `next` are the neighbours in its list.
  previous: PendingOperation | null;
  next: PendingOperation | null;
  /**
   * The scope that the operation is linked into; null outside of all scopes and once the operation
   * has ended. A scope that ends moves its operations to the scope around it.
   */
  scope: WaitScope | null;
  /** Rejects with a cancellation. Never throws or calls user code. */
  cancel(reason: CancelledError): void;
  /** What the task tree shows, like `recv on fd 17`. */
  describe(): string;
}

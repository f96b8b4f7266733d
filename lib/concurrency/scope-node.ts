import type { TaskInfo } from '../contract/tasks';
import { inspect, type InspectOptions } from 'node:util';
import type { CancelledError } from '../errors';
import { type Context, contextStorage } from '../waiting/context';
import type { PendingOperation } from '../waiting/operation';
import { type CancellationOwner, ownerOf, remainder } from './cancellation';
import { scopeCancel } from './diagnostics';

// The contexts in the AsyncLocalStorage are nodes, and nothing else: hence the casts of what comes
// from there.

/** What a scope knows of the task that entered it. */
export interface ScopeTask {
  readonly info: TaskInfo;
}

/**
 * A node in the tree of everything that runs: a cancel scope, a shield, or the root scope of a
 * task. It knows what waits directly in it, and whether that is cancelled.
 *
 * `cancellation` is what a checkpoint looks at: the error of the *outermost* cancelled scope that
 * is visible from here, that is, with no shield in between. It is pushed down when a scope is
 * cancelled, and never taken back: a scope that is cancelled stays so.
 */
export abstract class ScopeNode implements CancellationOwner, Context {
  /** @internal */
  cancellation: CancelledError | null = null;
  /** The error of its own cancellation. @internal */
  ownCancellation: CancelledError | null = null;
  /** Null before it is entered. The parent of an open node is open. @internal */
  parent: ScopeNode | null = null;
  /** The task that entered it. @internal */
  task: ScopeTask | null = null;
  /** @internal */
  isLeft = false;
  /** Its cancellation stopped at its edge. @internal */
  isCaught = false;
  /**
   * It was left while a scope around it was cancelled too: its own errors went on, and are for that
   * one to absorb. @internal
   */
  isPassed = false;

  // Of two lists, of children and of operations, only the first is held: its `previous` is the
  // last.

  /** @internal */
  firstChild: ScopeNode | null = null;
  /** @internal */
  previousSibling: ScopeNode | null = null;
  /** @internal */
  nextSibling: ScopeNode | null = null;
  /** @internal */
  firstOperation: PendingOperation | null = null;

  /** No cancellation from outside comes in. @internal */
  get isShield(): boolean {
    return false;
  }

  /** What the task tree calls it. @internal */
  abstract describe(): string;

  /** Printing one must not print the whole tree. */
  [inspect.custom](_depth: number, _options: InspectOptions): string {
    return this.describe();
  }

  /**
   * Its cancellation has changed: for a scope that has an AbortSignal. Runs code of a user's.
   * @internal
   */
  announce(): void {
    // Most scopes have none.
  }

  // ── operations

  /** @internal */
  link(operation: PendingOperation): void {
    if (this.isLeft) {
      // Code that outlived its scope.
      const heir = this.heir() ?? null;
      operation.scope = heir;
      heir?.link(operation);
      return;
    }
    const first = this.firstOperation;
    if (first === null) {
      this.firstOperation = operation;
      operation.previous = operation;
      return;
    }
    const last = first.previous as PendingOperation;
    last.next = operation;
    operation.previous = last;
    first.previous = operation;
  }

  /** @internal */
  unlink(operation: PendingOperation): void {
    const { previous, next } = operation;
    const first = this.firstOperation as PendingOperation;
    if (operation === first) this.firstOperation = next;
    else (previous as PendingOperation).next = next;
    (next ?? first).previous = previous;
    operation.previous = null;
    operation.next = null;
  }

  // ── the tree

  /** Goes in, under the innermost open scope around the caller. @internal */
  enter(): void {
    const caller = contextStorage.getStore() as ScopeNode | undefined;
    this.task = caller?.task ?? null;
    const context = caller?.heir() ?? outermost;
    let parent = context;
    while (parent.isLeft) parent = parent.parent as ScopeNode;
    this.enterUnder(parent);
    // Cancelled code that outlived its scope stays cancelled, also where it opens a new one.
    if (parent !== context && !this.isShield) this.cancellation ??= context.cancellation;
  }

  /** @internal */
  enterUnder(parent: ScopeNode): void {
    this.parent = parent;
    parent.adopt(this);
    // The outermost wins.
    this.cancellation = (this.isShield ? null : parent.cancellation) ?? this.ownCancellation;
  }

  /**
   * Goes out. What its code has left behind belongs to the scope around it from now on. @internal
   */
  leave(): void {
    const parent = this.parent as ScopeNode;
    this.isPassed = this.ownCancellation !== null && this.isOuterCancelled;
    this.isLeft = true;
    if (this.firstOperation !== null) bequeathOperations(this, parent);
    if (this.firstChild !== null) bequeathChildren(this, parent);
    parent.disown(this);
  }

  /** Takes a node in as the last of its children. @internal */
  adopt(child: ScopeNode): void {
    const first = this.firstChild;
    if (first === null) {
      this.firstChild = child;
      child.previousSibling = child;
      return;
    }
    const last = first.previousSibling as ScopeNode;
    last.nextSibling = child;
    child.previousSibling = last;
    first.previousSibling = child;
  }

  /** @internal */
  disown(child: ScopeNode): void {
    const { previousSibling: previous, nextSibling: next } = child;
    const first = this.firstChild as ScopeNode;
    if (child === first) this.firstChild = next;
    else (previous as ScopeNode).nextSibling = next;
    (next ?? first).previousSibling = previous;
    child.previousSibling = null;
    child.nextSibling = null;
  }

  /**
   * The scope of code that outlived this one: the innermost around it that is still open. Cancelled
   * code stays cancelled.
   * @internal
   */
  heir(): ScopeNode | undefined {
    let node: ScopeNode = this;
    while (node.isLeft && node.cancellation === null) node = node.parent as ScopeNode;
    return node === outermost ? undefined : node;
  }

  /** Whether `scope` is this node, or around it; a shield in between hides nothing. @internal */
  isWithin(scope: CancellationOwner): boolean {
    for (let node: ScopeNode | null = this; node !== null; node = node.parent) {
      if (node === scope) return true;
    }
    return false;
  }

  // ── cancellation

  /** A scope around it is cancelled, and can be seen from here: an outer scope wins. @internal */
  get isOuterCancelled(): boolean {
    return !this.isShield && (this.parent as ScopeNode).cancellation !== null;
  }

  /**
   * Whether errors of `scope`'s cancellation are for this scope to absorb, or for one around it.
   * What an inner scope has passed on is for a cancelled one only: elsewhere it has been answered
   * for already.
   * @internal
   */
  owns(scope: CancellationOwner): boolean {
    return (
      scope === this ||
      (scope.isPassed &&
        (this.cancellation ?? this.ownCancellation) !== null &&
        scope.isWithin(this))
    );
  }

  /** Cancels it, for the first time, with an error that names it as the owner. @internal */
  cancelWith(error: CancelledError): void {
    this.ownCancellation = error;
    if (scopeCancel.hasSubscribers)
      scopeCancel.publish({ scope: this, task: this.task?.info, reason: error });
    if (this.parent === null) this.announce();
    else if (!this.isLeft && this.cancellation === null) spread(this, error);
  }

  /**
   * Goes out with an error. Returns what of it goes on, which is NOTHING if this scope absorbs it:
   * it does so if it is cancelled, no scope around it that can be seen from here is, and the error
   * is its own.
   * @internal
   */
  leaveWith(error: unknown): unknown {
    const absorbs = this.ownCancellation !== null && !this.isOuterCancelled;
    this.leave();
    return absorbs ? this.absorb(error) : error;
  }

  /** @internal */
  absorb(error: unknown): unknown {
    const rest = remainder(error, (part) => {
      const owner = ownerOf(part);
      return owner !== undefined && this.owns(owner);
    });
    if (rest !== error) this.isCaught = true;
    return rest;
  }
}

function bequeathOperations(node: ScopeNode, heir: ScopeNode): void {
  for (let operation = node.firstOperation; operation !== null; operation = node.firstOperation) {
    const cancellation = node.cancellation ?? heir.cancellation;
    if (cancellation !== null) {
      operation.cancel(cancellation);
      continue;
    }
    node.unlink(operation);
    operation.scope = heir;
    heir.link(operation);
  }
}

function bequeathChildren(node: ScopeNode, heir: ScopeNode): void {
  for (let child = node.firstChild; child !== null; child = node.firstChild) {
    node.disown(child);
    child.parent = heir;
    heir.adopt(child);
    if (heir.cancellation !== null && child.cancellation === null && !child.isShield)
      spread(child, heir.cancellation);
  }
}

/** Cancels all that can be seen from `top` on. */
function spread(top: ScopeNode, error: CancelledError): void {
  // First the marks, then their consequences, which may change the tree and call a user's
  // listeners.
  const marked: ScopeNode[] = [];
  for (let node: ScopeNode | null = top; node !== null;) {
    const isHidden: boolean = node !== top && node.isShield;
    if (!isHidden) {
      node.cancellation = error;
      marked.push(node);
    }
    node = !isHidden && node.firstChild !== null ? node.firstChild : nextOutside(node, top);
  }
  for (const node of marked) {
    for (let operation = node.firstOperation; operation !== null; operation = node.firstOperation)
      operation.cancel(error);
  }
  for (const node of marked) node.announce();
}

/** The node that comes after all of `node`'s descendants; null beyond those of `top`. */
function nextOutside(node: ScopeNode, top: ScopeNode): ScopeNode | null {
  let last = node;
  while (last !== top) {
    if (last.nextSibling !== null) return last.nextSibling;
    last = last.parent as ScopeNode;
  }
  return null;
}

class Outermost extends ScopeNode {
  describe(): string {
    return 'outside of any scope';
  }
}

/** Around everything. Never cancelled, and never anybody's current scope. */
export const outermost: ScopeNode = new Outermost();

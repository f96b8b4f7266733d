import { inspect, type InspectOptions } from 'node:util';
import type { CancelledError } from '../errors';
import { contextStorage, currentScope } from '../internal/context';
import type { Operation } from '../internal/operation';
import { ownerOf, remainder } from './cancellation';
import { scopeCancel } from './diagnostics';
import type { TaskNode } from './task-node';

// The contexts in the AsyncLocalStorage are nodes, and nothing else: hence the casts of what comes from there.

/**
 * A node in the tree of everything that runs: a cancel scope, a shield, or the root scope of a task. It knows what waits directly in it,
 * and whether that is cancelled.
 *
 * `cancellation` is what a checkpoint looks at: the error of the *outermost* cancelled scope that is visible from here, that is, with no
 * shield in between. It is pushed down when a scope is cancelled, and never taken back: a scope that is cancelled stays so.
 */
export abstract class ScopeNode {
  /** @internal */
  cancellation: CancelledError | null = null;
  /** The error of its own cancellation. @internal */
  ownCancellation: CancelledError | null = null;
  /** Null before it is entered. The parent of an open node is open. @internal */
  parent: ScopeNode | null = null;
  /** The task that entered it. @internal */
  task: TaskNode | null = null;
  /** No cancellation from outside comes in. @internal */
  readonly isShield: boolean = false;
  /** @internal */
  isLeft = false;
  /** Its cancellation stopped at its edge. @internal */
  isCaught = false;
  /** It was left while a scope around it was cancelled too: its own errors went on, and are for that one to absorb. @internal */
  isPassed = false;

  /** @internal */
  firstChild: ScopeNode | null = null;
  /** @internal */
  lastChild: ScopeNode | null = null;
  /** @internal */
  previousSibling: ScopeNode | null = null;
  /** @internal */
  nextSibling: ScopeNode | null = null;
  /** @internal */
  firstOperation: Operation<unknown> | null = null;
  /** @internal */
  lastOperation: Operation<unknown> | null = null;

  /** What the task tree calls it. @internal */
  abstract describe(): string;

  /** Printing one must not print the whole tree. */
  [inspect.custom](_depth: number, _options: InspectOptions): string {
    return this.describe();
  }

  /** Its cancellation has changed: for a scope that has an AbortSignal. Runs code of a user's. @internal */
  announce(): void {
    // Most scopes have none.
  }

  // ── operations

  /** @internal */
  link(operation: Operation<unknown>): void {
    if (this.isLeft) {
      // Code that outlived its scope.
      const heir = this.heir() ?? null;
      operation.scope = heir;
      heir?.link(operation);
      return;
    }
    const last = this.lastOperation;
    operation.previous = last;
    if (last === null) this.firstOperation = operation;
    else last.next = operation;
    this.lastOperation = operation;
  }

  /** @internal */
  unlink(operation: Operation<unknown>): void {
    const { previous, next } = operation;
    if (previous === null) this.firstOperation = next;
    else previous.next = next;
    if (next === null) this.lastOperation = previous;
    else next.previous = previous;
    operation.previous = null;
    operation.next = null;
  }

  // ── the tree

  /** Goes in, under the innermost open scope around the caller. @internal */
  enter(): void {
    const context = (currentScope() as ScopeNode | undefined) ?? outermost;
    this.task = currentTask();
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

  /** Goes out. What its code has left behind belongs to the scope around it from now on. @internal */
  leave(): void {
    const parent = this.parent as ScopeNode;
    this.isPassed = this.ownCancellation !== null && this.isOuterCancelled;
    this.isLeft = true;
    if (this.firstOperation !== null) this.#bequeathOperations(parent);
    if (this.firstChild !== null) this.#bequeathChildren(parent);
    parent.disown(this);
  }

  /** Takes a node in as the last of its children. @internal */
  adopt(child: ScopeNode): void {
    const last = this.lastChild;
    child.previousSibling = last;
    if (last === null) this.firstChild = child;
    else last.nextSibling = child;
    this.lastChild = child;
  }

  /** @internal */
  disown(child: ScopeNode): void {
    const { previousSibling: previous, nextSibling: next } = child;
    if (previous === null) this.firstChild = next;
    else previous.nextSibling = next;
    if (next === null) this.lastChild = previous;
    else next.previousSibling = previous;
    child.previousSibling = null;
    child.nextSibling = null;
  }

  #bequeathOperations(heir: ScopeNode): void {
    for (let operation = this.firstOperation; operation !== null; operation = this.firstOperation) {
      const cancellation = this.cancellation ?? heir.cancellation;
      if (cancellation !== null) {
        operation.cancel(cancellation);
        continue;
      }
      this.unlink(operation);
      operation.scope = heir;
      heir.link(operation);
    }
  }

  #bequeathChildren(heir: ScopeNode): void {
    for (let child = this.firstChild; child !== null; child = this.firstChild) {
      this.disown(child);
      child.parent = heir;
      heir.adopt(child);
      if (heir.cancellation !== null && child.cancellation === null && !child.isShield) spread(child, heir.cancellation);
    }
  }

  /**
   * The scope of code that outlived this one: the innermost around it that is still open. Cancelled code stays cancelled.
   * @internal
   */
  heir(): ScopeNode | undefined {
    let node: ScopeNode = this;
    while (node.isLeft && node.cancellation === null) node = node.parent as ScopeNode;
    return node === outermost ? undefined : node;
  }

  /** Whether `scope` is this node, or around it; a shield in between hides nothing. @internal */
  isWithin(scope: ScopeNode): boolean {
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
   * Whether errors of `scope`'s cancellation are for this scope to absorb, or for one around it. What an inner scope has passed on is for
   * a cancelled one only: elsewhere it has been answered for already.
   * @internal
   */
  owns(scope: ScopeNode): boolean {
    return scope === this || (scope.isPassed && (this.cancellation ?? this.ownCancellation) !== null && scope.isWithin(this));
  }

  /** Cancels it, for the first time, with an error that names it as the owner. @internal */
  cancelWith(error: CancelledError): void {
    this.ownCancellation = error;
    if (scopeCancel.hasSubscribers) scopeCancel.publish({ scope: this, task: this.task?.info, reason: error });
    if (this.parent === null) this.announce();
    else if (!this.isLeft && this.cancellation === null) spread(this, error);
  }

  /**
   * Goes out with an error. Returns what of it goes on, which is NOTHING if this scope absorbs it: it does so if it is cancelled, no
   * scope around it that can be seen from here is, and the error is its own.
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

/** Cancels all that can be seen from `top` on. */
function spread(top: ScopeNode, error: CancelledError): void {
  // First the marks, then their consequences, which may change the tree and call a user's listeners.
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
    for (let operation = node.firstOperation; operation !== null; operation = node.firstOperation) operation.cancel(error);
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

/** The task that runs the caller; null outside of any. Code that has outlived its task is still that task's. */
export function currentTask(): TaskNode | null {
  return (contextStorage.getStore() as ScopeNode | undefined)?.task ?? null;
}

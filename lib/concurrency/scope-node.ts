/*
 * How a cancellation is delivered
 *
 * All running code is in a tree: cancel scopes, shields, task groups, tasks, bootstraps. The node
 * around the running code is its async context. A checkpoint looks at one field of that node,
 * `cancellation`: if it holds an error, the checkpoint rejects with it. Otherwise the checkpoint
 * may wait, as an operation in the node's list. So a checkpoint costs one read of an
 * AsyncLocalStorage and one of a field and, only if it waits, two changes of a linked list. It
 * never walks to the root.
 *
 * Cancelling pays for that. `cancelWith` stores the scope's error in `ownCancellation`. `pushDown`
 * then writes it into the `cancellation` of the scope and of all descendants, rejects the
 * operations that wait there, and last aborts the AbortSignals, whose listeners are user code and
 * find the tree in its new state. A node that is entered later copies its parent's `cancellation`.
 *
 * The outermost cancelled scope wins. When an outer scope is cancelled, its error replaces that of
 * an inner one in `cancellation`; when an inner scope is cancelled later, only its
 * `ownCancellation` changes. Code in several cancelled scopes therefore unwinds once, to the end of
 * the outermost one, and does not run between two of them.
 *
 * A scope absorbs an error at its end (`leaveWith`) if it is cancelled, no scope that it can see
 * around it is, and the error belongs to its cancellation. Each CancelledError of the library has
 * one owner, the scope whose cancellation it is. An AbortError that has such an error as its
 * `cause` or `reason`, like those of Node.js, has the same owner; no other error has one. From an
 * error of several parts, like an AggregateError, the scope takes its own parts. A scope that ends
 * while an outer one is cancelled lets its errors pass, and the outer scope owns those, too
 * (`leftErrorsToOuter`). A task that ends by its own cancellation is cancelled, and its group sees
 * no error of it.
 *
 * A shield hides what is around it: its `cancellation` starts as null, and `pushDown` stops there.
 * Scopes inside a shield can be cancelled as everywhere.
 *
 * Code may outlive its scope, as a promise does that is not awaited. The scope is left then: the
 * operations and nodes in it move to its parent, and later checkpoints of the code belong to the
 * innermost ancestor that is open (`openAncestor`). A cancellation that reached the code while its
 * scope was open stays.
 *
 * Cancellation is level-triggered: every checkpoint in a cancelled scope rejects, not only the
 * first. Any `catch` in JavaScript swallows any error, so a cancellation that came once could get
 * lost in a careless one. Clean-up that has to wait runs in a shield.
 */
import type { TaskInfo } from '../contract/tasks';
import { inspect, type InspectOptions } from 'node:util';
import type { CancelledError } from '../errors';
import { type Context, contextStorage } from '../waiting/context';
import { type CancellationOwner, ownerOf, remainder } from './cancellation';
import { scopeCancel } from './diagnostics';
import type { PendingOperation } from '../waiting/wait-scope';

/** What a scope knows of the task that entered it. */
export interface ScopeTask {
  readonly info: TaskInfo;
}

/** A node of the tree: a cancel scope, a shield, or the scope around a whole task or bootstrap. */
export abstract class ScopeNode implements CancellationOwner, Context {
  /**
   * The error that checkpoints here reject with: that of the outermost cancelled scope with no
   * shield in between. Once set, it never becomes null again.
   */
  cancellation: CancelledError | null = null;
  /** The error of this scope's own cancellation. */
  ownCancellation: CancelledError | null = null;
  /** Null until the scope is entered. The parent of an open node is open. */
  parent: ScopeNode | null = null;
  /** The task that entered the scope. */
  task: ScopeTask | null = null;
  isLeft = false;
  /** The scope absorbed an error of its own cancellation. */
  isCaught = false;
  leftErrorsToOuter = false;

  // Each node is in the list of its parent's children, each operation in that of its node. A parent
  // holds only the first of a list: `previous` of the first is the last.
  firstChild: ScopeNode | null = null;
  previousSibling: ScopeNode | null = null;
  nextSibling: ScopeNode | null = null;
  firstOperation: PendingOperation | null = null;

  /** Whether cancellations from outside stop here. */
  get isShield(): boolean {
    return false;
  }

  /** The name of the node in the task tree. */
  abstract describe(): string;

  /** Keeps the rest of the tree out of what `inspect` prints. */
  [inspect.custom](_depth: number, _options: InspectOptions): string {
    return this.describe();
  }

  /** Aborts the scope's AbortSignal, if it has one. That calls listeners, which are user code. */
  abortSignal(): void {
    // Only cancel scopes have a signal.
  }

  // ── operations

  link(operation: PendingOperation): void {
    if (this.isLeft) {
      // The code outlived this scope.
      let open = this.parent as ScopeNode;
      while (open.isLeft) open = open.parent as ScopeNode;
      operation.scope = open;
      open.link(operation);
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

  /** Enters the scope, under the innermost open scope around the caller. */
  enter(): void {
    // The library puts nothing but nodes into this storage.
    const caller = contextStorage.getStore() as ScopeNode | undefined;
    this.task = caller?.task ?? null;
    const context = caller?.openAncestor() ?? outermost;
    let parent = context;
    while (parent.isLeft) parent = parent.parent as ScopeNode;
    this.enterUnder(parent);
    // Cancelled code that outlived its scope is cancelled in new scopes, too.
    if (parent !== context && !this.isShield) this.cancellation ??= context.cancellation;
  }

  enterUnder(parent: ScopeNode): void {
    this.parent = parent;
    parent.addChild(this);
    this.cancellation = (this.isShield ? null : parent.cancellation) ?? this.ownCancellation;
  }

  /** Leaves the scope. Operations and nodes that are still in it move to its parent. */
  leave(): void {
    const parent = this.parent as ScopeNode;
    this.leftErrorsToOuter = this.ownCancellation !== null && this.isOuterCancelled;
    this.isLeft = true;
    if (this.firstOperation !== null) reparentOperations(this, parent);
    if (this.firstChild !== null) reparentChildren(this, parent);
    parent.removeChild(this);
  }

  addChild(child: ScopeNode): void {
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

  removeChild(child: ScopeNode): void {
    const { previousSibling: previous, nextSibling: next } = child;
    const first = this.firstChild as ScopeNode;
    if (child === first) this.firstChild = next;
    else (previous as ScopeNode).nextSibling = next;
    (next ?? first).previousSibling = previous;
    child.previousSibling = null;
    child.nextSibling = null;
  }

  /**
   * The scope of code that runs in this one: the innermost that is open or, if the code outlived a
   * cancelled scope, cancelled. Undefined if that is outside of all scopes.
   */
  openAncestor(): ScopeNode | undefined {
    let node: ScopeNode = this;
    while (node.isLeft && node.cancellation === null) node = node.parent as ScopeNode;
    return node === outermost ? undefined : node;
  }

  isWithin(scope: CancellationOwner): boolean {
    for (let node: ScopeNode | null = this; node !== null; node = node.parent) {
      if (node === scope) return true;
    }
    return false;
  }

  // ── cancellation

  /** Whether a scope around this one, with no shield in between, is cancelled. */
  get isOuterCancelled(): boolean {
    return !this.isShield && (this.parent as ScopeNode).cancellation !== null;
  }

  owns(scope: CancellationOwner): boolean {
    return (
      scope === this ||
      // Outside of a cancelled scope, errors that an inner scope let pass were absorbed before.
      (scope.leftErrorsToOuter &&
        (this.cancellation ?? this.ownCancellation) !== null &&
        scope.isWithin(this))
    );
  }

  /** Cancels the scope for the first time. `error` has the scope as its owner. */
  cancelWith(error: CancelledError): void {
    this.ownCancellation = error;
    if (scopeCancel.hasSubscribers)
      scopeCancel.publish({ scope: this, task: this.task?.info, reason: error });
    if (this.parent === null) this.abortSignal();
    else if (!this.isLeft && this.cancellation === null) pushDown(this, error);
  }

  /**
   * Leaves the scope with an error. Returns the error that goes on to the outside, or NO_ERROR if
   * the scope absorbed all of it.
   */
  leaveWith(error: unknown): unknown {
    const absorbs = this.ownCancellation !== null && !this.isOuterCancelled;
    this.leave();
    return absorbs ? this.absorb(error) : error;
  }

  /** `error` without the parts that this scope owns. */
  absorb(error: unknown): unknown {
    const rest = remainder(error, (part) => {
      const owner = ownerOf(part);
      return owner !== undefined && this.owns(owner);
    });
    if (rest !== error) this.isCaught = true;
    return rest;
  }
}

/** Moves operations of a scope that ends to its parent. Cancels them if either is cancelled. */
function reparentOperations(node: ScopeNode, parent: ScopeNode): void {
  for (let operation = node.firstOperation; operation !== null; operation = node.firstOperation) {
    const cancellation = node.cancellation ?? parent.cancellation;
    if (cancellation !== null) {
      operation.cancel(cancellation);
      continue;
    }
    node.unlink(operation);
    operation.scope = parent;
    parent.link(operation);
  }
}

function reparentChildren(node: ScopeNode, parent: ScopeNode): void {
  for (let child = node.firstChild; child !== null; child = node.firstChild) {
    node.removeChild(child);
    child.parent = parent;
    parent.addChild(child);
    if (parent.cancellation !== null && child.cancellation === null && !child.isShield)
      pushDown(child, parent.cancellation);
  }
}

/** Cancels `top` and all of its descendants that are not behind a shield. */
function pushDown(top: ScopeNode, error: CancelledError): void {
  // All nodes are marked before an operation rejects or a listener is called: both may change the
  // tree.
  const marked: ScopeNode[] = [];
  for (let node: ScopeNode | null = top; node !== null;) {
    const isHidden: boolean = node !== top && node.isShield;
    if (!isHidden) {
      node.cancellation = error;
      marked.push(node);
    }
    node = !isHidden && node.firstChild !== null ? node.firstChild : nextAfterSubtree(node, top);
  }
  for (const node of marked) {
    for (let operation = node.firstOperation; operation !== null; operation = node.firstOperation)
      operation.cancel(error);
  }
  for (const node of marked) node.abortSignal();
}

/** The node that comes after all descendants of `node`; null if that is outside of `top`. */
function nextAfterSubtree(node: ScopeNode, top: ScopeNode): ScopeNode | null {
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

/** The root of the tree. It is never cancelled, and no code has it as its context. */
export const outermost: ScopeNode = new Outermost();

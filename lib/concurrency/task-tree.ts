import { CancelScope } from './cancel-scope';
import { outermost, type ScopeNode } from './scope-node';
import { TaskNode } from './task-node';

/** A snapshot of a running task or an open scope, and of all that is in it. */
export interface TaskTreeNode {
  /** `task "handler"`, `task group`, `timeout`, `cancel scope`, `shield`, `bootstrap`. */
  readonly what: string;
  /** The id in the TaskInfo of a task. */
  readonly id?: number;
  /** The name in the TaskInfo of a task. */
  readonly name?: string;
  /** The milliseconds until the deadline of a scope that has one. */
  readonly remaining?: number;
  /** Whether checkpoints in it reject, because of this scope or of one around it. */
  readonly cancelled: boolean;
  /** The checkpoints that wait directly in it, like `sleep for 300 ms more`, `recv on fd 17`. */
  readonly waitingFor: readonly string[];
  readonly children: readonly TaskTreeNode[];
}

/**
 * Everything that runs in this thread. Tasks and scopes with none around them are at the top. Shows
 * why a program does not go on or does not end. A call walks through all tasks and scopes; without
 * calls there is no cost.
 *
 * @example
 * await backend.createTaskGroup().run(async (group) => {
 *   await group.start(() => backend.sleepForever(), { name: 'ticker' });
 *   console.log(formatTaskTree(taskTree()).includes('task "ticker"')); // → true
 *   group.cancelScope.cancel();
 * });
 */
export function taskTree(): TaskTreeNode[] {
  const top: TaskTreeNode[] = [];
  const open: { readonly node: ScopeNode; readonly children: TaskTreeNode[] }[] = [
    { node: outermost, children: top },
  ];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (let child = next.node.firstChild; child !== null; child = child.nextSibling) {
      const children: TaskTreeNode[] = [];
      next.children.push(picture(child, children));
      open.push({ node: child, children });
    }
  }
  return top;
}

function picture(node: ScopeNode, children: TaskTreeNode[]): TaskTreeNode {
  const waitingFor: string[] = [];
  for (let operation = node.firstOperation; operation !== null; operation = operation.next)
    waitingFor.push(operation.describe());
  return {
    what: node.describe(),
    ...(node instanceof TaskNode ? node.info : undefined),
    ...(node instanceof CancelScope && node.due !== Infinity
      ? { remaining: node.due - node.deadlines.clock.now() }
      : undefined),
    cancelled: node.cancellation !== null,
    waitingFor,
    children,
  };
}

/**
 * The task tree as text: one line per task and scope, indented by two spaces per level.
 *
 * ```text
 * bootstrap
 *   task "main" (#1)
 *     task group
 *       task "handler" (#2)
 *         timeout, 4871 ms left: recv on fd 17
 * ```
 */
export function formatTaskTree(tree: readonly TaskTreeNode[] = taskTree()): string {
  const lines: string[] = [];
  const open = tree.map((node) => ({ node, depth: 0 })).reverse();
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, depth } = next;
    lines.push('  '.repeat(depth) + line(node));
    for (const child of node.children.toReversed()) open.push({ node: child, depth: depth + 1 });
  }
  return lines.join('\n');
}

function line(node: TaskTreeNode): string {
  const id = node.id === undefined ? '' : ` (#${node.id})`;
  const remaining = node.remaining === undefined ? '' : `, ${Math.ceil(node.remaining)} ms left`;
  const cancelled = node.cancelled ? ', cancelled' : '';
  const waitingFor = node.waitingFor.length === 0 ? '' : `: ${node.waitingFor.join('; ')}`;
  return node.what + id + remaining + cancelled + waitingFor;
}

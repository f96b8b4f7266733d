import { channel } from 'node:diagnostics_channel';
import type { CancelledError } from '../errors';
import type { TaskInfo } from '../contract/tasks';

/**
 * A channel of `node:diagnostics_channel` that carries one kind of message. Look at
 * `hasSubscribers` before a message is made.
 */
export interface DiagnosticsChannel<M> {
  readonly hasSubscribers: boolean;
  publish(message: M): void;
}

/**
 * Channel `sockscope:task:start`: before the first line of the task's function runs. `parent` is
 * the task that started it.
 *
 * As on the other channels, subscribers are called at once, in the middle of the library's work:
 * they look, and do nothing else. While nobody is subscribed, no message is made.
 */
export interface TaskStartMessage {
  readonly task: TaskInfo;
  readonly parent: TaskInfo | undefined;
}

/** Channel `sockscope:task:end`. `error` is there if it failed or was cancelled. */
export interface TaskEndMessage {
  readonly task: TaskInfo;
  readonly outcome: 'completed' | 'failed' | 'cancelled';
  readonly error?: unknown;
}

/**
 * Channel `sockscope:scope:cancel`: a scope, or the whole of a task, is cancelled, for whatever
 * reason. `task` is the one that entered it.
 */
export interface ScopeCancelMessage {
  readonly scope: object;
  readonly task: TaskInfo | undefined;
  readonly reason: CancelledError;
}

/** Channel `sockscope:scope:timeout`: a deadline has passed; the cancellation follows. */
export interface ScopeTimeoutMessage {
  readonly scope: object;
  readonly task: TaskInfo | undefined;
  readonly deadline: number;
}

export const taskStart = channel('sockscope:task:start') as DiagnosticsChannel<TaskStartMessage>;
export const taskEnd = channel('sockscope:task:end') as DiagnosticsChannel<TaskEndMessage>;
export const scopeCancel = channel(
  'sockscope:scope:cancel',
) as DiagnosticsChannel<ScopeCancelMessage>;
export const scopeTimeout = channel(
  'sockscope:scope:timeout',
) as DiagnosticsChannel<ScopeTimeoutMessage>;

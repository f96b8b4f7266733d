import { channel } from 'node:diagnostics_channel';
import type { CancelledError } from '../errors';
import type { TaskInfo } from '../contract/tasks';

/**
 * A channel of `node:diagnostics_channel` with one type of message. Callers check `hasSubscribers`
 * before they make a message.
 */
export interface DiagnosticsChannel<M> {
  readonly hasSubscribers: boolean;
  publish(message: M): void;
}

/**
 * Channel `sockscope:task:start`: a task starts; the first line of its function has not run yet.
 * `parent` is the task that started it.
 *
 * As on the other channels, subscribers are called synchronously, in the middle of the library's
 * work: they may look, but must not call the library. Without subscribers no message is made.
 */
export interface TaskStartMessage {
  readonly task: TaskInfo;
  readonly parent: TaskInfo | undefined;
}

/** Channel `sockscope:task:end`. `error` is set if the task failed or was cancelled. */
export interface TaskEndMessage {
  readonly task: TaskInfo;
  readonly outcome: 'completed' | 'failed' | 'cancelled';
  readonly error?: unknown;
}

/**
 * Channel `sockscope:scope:cancel`: a scope or a whole task is cancelled, for any reason. `task` is
 * the task that entered the scope.
 */
export interface ScopeCancelMessage {
  readonly scope: object;
  readonly task: TaskInfo | undefined;
  readonly reason: CancelledError;
}

/** Channel `sockscope:scope:timeout`: a scope's deadline has passed. Its cancellation follows. */
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

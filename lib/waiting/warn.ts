import process from 'node:process';
import { outsideOfTasks } from './context';

/** What a process warning of this library says beside its message. */
export interface WarningOptions {
  readonly code: string;
  /** Default: `SockscopeWarning`. */
  readonly type?: string;
  readonly detail?: string;
}

/**
 * Emits a process warning. Listeners of 'warning' serve the whole process: they must not run in the
 * scope of the task that happened to cause the first one.
 */
export function warn(message: string, options: WarningOptions): void {
  outsideOfTasks(() => {
    process.emitWarning(message, { type: 'SockscopeWarning', ...options });
  });
}

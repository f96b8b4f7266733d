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

/**
 * Warns that the garbage collector found an object that should have been closed.
 * @param what the object, and what was done with it
 * @param site the result of `creationSite` when the object was made
 */
export function warnOfUnclosed(what: string, site: string | undefined): void {
  const detail = site ?? 'Set SOCKSCOPE_DEBUG=1 to see where it was created.';
  warn(`${what} ${detail}`, { type: 'ResourceWarning', code: 'SOCKSCOPE_UNCLOSED' });
}

import path from 'node:path';
import { isDebugging } from '../debug';
import { isError } from '../errors';

const library = path.dirname(__dirname) + path.sep;
const startSites = new WeakMap<object, string>();

/**
 * Records where user code started a task, if debugging is on. (A stack trace costs more than
 * starting a task does.)
 */
export function noteStartSite(task: object): void {
  if (!isDebugging()) return;
  const { stackTraceLimit } = Error;
  // The library's own frames are dropped below, and there may be as many of them as of others.
  Reflect.set(Error, 'stackTraceLimit', 2 * stackTraceLimit);
  const [, ...frames] = String(new Error().stack).split('\n');
  Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  const callers = frames.filter((frame) => !frame.includes(library));
  startSites.set(task, callers.slice(0, stackTraceLimit).join('\n'));
}

const noted = new WeakSet<Error>();

/**
 * Appends to the stack of an error where the task that it ended was started. Does so once per
 * error, for the first task that it ended.
 */
export function noteStart(error: unknown, task: { readonly name: string }): void {
  const site = startSites.get(task);
  if (site === undefined || !isError(error) || noted.has(error)) return;
  noted.add(error);
  // Fails, without an exception, for a frozen error.
  Reflect.set(
    error,
    'stack',
    `${error.stack ?? String(error)}\n    in task "${task.name}", which was started\n${site}`,
  );
}

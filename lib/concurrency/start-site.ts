import path from 'node:path';
import { isDebugging } from '../debug';

const library = path.dirname(__dirname) + path.sep;
const startSites = new WeakMap<object, string>();

/**
 * Remembers where this library was called to start a task, if debugging is on: taking a stack costs
 * more than starting one.
 */
export function noteStartSite(task: object): void {
  if (!isDebugging()) return;
  const { stackTraceLimit } = Error;
  // What is shown is without the library's own frames, of which there may be as many.
  Reflect.set(Error, 'stackTraceLimit', 2 * stackTraceLimit);
  const [, ...frames] = String(new Error().stack).split('\n');
  Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  const callers = frames.filter((frame) => !frame.includes(library));
  startSites.set(task, callers.slice(0, stackTraceLimit).join('\n'));
}

const noted = new WeakSet<Error>();

/**
 * Appends to the stack of a task's error who started the task. Once, for the task where it began.
 */
export function noteStart(error: unknown, task: { readonly name: string }): void {
  const site = startSites.get(task);
  if (site === undefined || !(error instanceof Error) || noted.has(error)) return;
  noted.add(error);
  // A frozen error stays as it is.
  Reflect.set(
    error,
    'stack',
    `${error.stack ?? String(error)}\n    in task "${task.name}", which was started\n${site}`,
  );
}

import type { ThreadFunction } from '../contract/threads';
import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { invalidArgument } from '../arguments/validate';

/** What the worker is told. */
export interface ThreadCall {
  readonly module: string;
  readonly name: string;
  readonly args: readonly unknown[];
}

/**
 * @throws TypeError: a closure cannot leave its thread; a relative path means nothing without the
 *   file that it is relative to
 */
export function encodeCall(fn: ThreadFunction, args: readonly unknown[]): ThreadCall {
  if (typeof fn === 'function') {
    throw invalidArgument(
      'fn',
      "{ module, name }, since a function cannot leave its thread: export it from a module, and give { module: new URL('./that-module.js', import.meta.url), name: 'itsName' }",
      fn,
    );
  }
  if (typeof fn !== 'object' || (fn as unknown) === null)
    throw invalidArgument('fn', '{ module, name }', fn);
  const { module, name = 'default' } = fn;
  if (typeof name !== 'string') throw invalidArgument('fn.name', 'the name of an export', name);
  if (!Array.isArray(args)) throw invalidArgument('args', 'an array', args);
  return { module: resolveModule(module), name, args };
}

function resolveModule(module: unknown): string {
  if (module instanceof URL) return module.href;
  if (typeof module !== 'string' || module === '')
    throw invalidArgument('fn.module', 'a file URL, an absolute path or a package name', module);
  if (isAbsolute(module)) return pathToFileURL(module).href;
  if (module.startsWith('.')) {
    throw invalidArgument(
      'fn.module',
      "no relative path (relative to what?): give new URL('./module.js', import.meta.url), or an absolute path",
      module,
    );
  }
  return module;
}

import type { ThreadFunction } from '../contract/threads';
import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { invalidArgument } from '../arguments/validate';

/** A call as it is sent to the worker. */
export interface ThreadCall {
  readonly module: string;
  readonly name: string;
  readonly args: readonly unknown[];
}

/**
 * Checks a call and resolves its module.
 * @throws TypeError for a closure, which cannot leave its thread, and for a relative path, which
 *   would be relative to a file that is not known here
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

/** A URL of any realm. */
function isUrl(value: unknown): value is URL {
  const { href, protocol } = (typeof value === 'object' ? (value ?? {}) : {}) as Partial<URL>;
  return typeof href === 'string' && typeof protocol === 'string';
}

function resolveModule(module: unknown): string {
  if (isUrl(module)) return module.href;
  if (typeof module !== 'string' || module === '')
    throw invalidArgument('fn.module', 'a file URL, an absolute path or a package name', module);
  if (isAbsolute(module)) return pathToFileURL(module).href;
  if (module.startsWith('.')) {
    throw invalidArgument(
      'fn.module',
      "not a relative path, since the file that it is relative to is not known: give new URL('./module.js', import.meta.url), or an absolute path",
      module,
    );
  }
  return module;
}

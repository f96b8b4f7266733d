import { move, transferableSymbol, valueSymbol } from 'piscina';
import { UnsupportedOperationError } from '../errors';
import { type Encoded, encodeThrown } from './error-codec';
import type { ThreadCall } from './thread-function';
import { Moved } from './transfer';

/** What a call in a thread came to. */
export type ThreadResult =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly thrown: Encoded };

type Exported = (...args: readonly unknown[]) => unknown;

/** What was called before in this thread: an import of a loaded module still costs some turns. */
const known = new Map<string, Exported>();

/**
 * Runs in a worker of the pool, which loads this file: imports the module (once per worker) and
 * calls the function.
 */
export default async function callInThread({ module, name, args }: ThreadCall): Promise<object> {
  let result: ThreadResult;
  try {
    const key = `${name} ${module}`;
    const fn = known.get(key) ?? findExport(await load(module), name, module);
    known.set(key, fn);
    const value = await fn(...args);
    if (value instanceof Moved)
      return withTransfer({ ok: true, value: value.value }, value.transfer);
    result = { ok: true, value };
  } catch (error) {
    result = { ok: false, thrown: encodeThrown(error) };
  }
  return result;
}

async function load(module: string): Promise<Record<string, unknown>> {
  try {
    return (await import(module)) as Record<string, unknown>;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // What Node says names the file, and not what is to be done about it.
    if (code !== 'ERR_UNKNOWN_FILE_EXTENSION' || !/"\.[mc]?ts"/.test(message)) throw error;
    throw new UnsupportedOperationError(
      `This Node.js (${process.version}) loads no TypeScript modules (22.18 and later do): ${message}. Give the compiled module, or a loader to this process`,
      { cause: error },
    );
  }
}

/** In the form in which the pool takes a result that is not to be copied. */
function withTransfer(result: ThreadResult, transfer: readonly unknown[]): object {
  return move({ [transferableSymbol]: transfer, [valueSymbol]: result });
}

/** A CommonJS module's exports may only be visible below `default`. */
function findExport(namespace: Record<string, unknown>, name: string, module: string): Exported {
  const { default: fallback } = namespace;
  const candidates = [namespace[name], (fallback as Record<string, unknown> | undefined)?.[name]];
  const fn = candidates.find((candidate) => typeof candidate === 'function');
  if (fn === undefined) throw new TypeError(`The module ${module} exports no function "${name}"`);
  return fn as Exported;
}

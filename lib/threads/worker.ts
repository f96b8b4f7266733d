import { move, transferableSymbol, valueSymbol } from 'piscina';
import { UnsupportedOperationError } from '../errors';
import { type Encoded, encodeThrown } from './error-codec';
import type { ThreadCall } from './thread-function';
import { isMoved } from './transfer';

/** The outcome of a call in a thread. */
export type ThreadResult =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly thrown: Encoded };

type Exported = (...args: readonly unknown[]) => unknown;

/** Functions that this thread has called before: even an import of a loaded module takes turns. */
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
    if (isMoved(value)) return withTransfer({ ok: true, value: value.value }, value.transfer);
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
    // A module may throw anything.
    const { code, message } = (error ?? {}) as Partial<NodeJS.ErrnoException>;
    // Node's message names the file, and not the remedy.
    if (code !== 'ERR_UNKNOWN_FILE_EXTENSION' || !/"\.[mc]?ts"/.test(String(message))) throw error;
    throw new UnsupportedOperationError(
      `This Node.js (${process.version}) loads no TypeScript modules (22.18 and later do): ${String(message)}. Give the compiled module, or a loader to this process`,
      { cause: error },
    );
  }
}

/** A result in the form by which piscina moves parts of it. */
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

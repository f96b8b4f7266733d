import type {
  PortalConnection,
  PortalFunctions,
  PortalHandle,
  ThreadFunction,
} from '../contract/threads';
import { isMainThread, threadId } from 'node:worker_threads';
import { BusyResourceError } from '../errors';
import { connectThreadsPortal } from '../threads/connect-portal';
import { transferResult } from '../threads/transfer';
import type * as own from './thread-functions';

/** The file with the functions that the tests run in other threads. */
export const threadFunctionsFile = __filename;

/** One of the functions of this file, as `runInThread` takes it. */
export function threadFunction(name: keyof typeof own): ThreadFunction {
  return { module: threadFunctionsFile, name };
}

export const add = (a: number, b: number): number => a + b;

/** The thread that it runs in. */
export const where = (): { readonly isMainThread: boolean; readonly threadId: number } => ({
  isMainThread,
  threadId,
});

/** For a ThreadGate: counts itself, and blocks until the gate opens. Returns the final count. */
export function passGate(shared: SharedArrayBuffer): number {
  const cells = new Int32Array(shared);
  Atomics.add(cells, 0, 1);
  Atomics.wait(cells, 1, 0);
  return Atomics.load(cells, 0);
}

class OwnClass extends RangeError {
  override readonly name = 'OwnClass';
}

/** Throws the error that `kind` names; any other value is thrown as it is. */
export function fail(kind: unknown): never {
  switch (kind) {
    case 'of the language':
      throw Object.assign(new TypeError('wrong', { cause: new Error('because') }), {
        code: 'WRONG',
      });
    case 'of the library':
      throw new BusyResourceError('busy');
    case 'of its own':
      throw new OwnClass('own');
    default:
      throw kind;
  }
}

export const uncloneable = (): (() => void) => () => undefined;

export const endThread = (): never => process.exit(3);

/** Adds one to the first byte, and moves the memory back. */
export function moveBack(bytes: Uint8Array): Uint8Array {
  bytes[0]! += 1;
  return transferResult(bytes, [bytes.buffer]);
}

/** A call of a portal: method, function, arguments. */
export type Call = readonly [
  method: keyof PortalConnection<PortalFunctions>,
  name: string,
  ...args: readonly unknown[],
];

/** The outcome of a call: a value, or the name, message and code of an error. */
export type Outcome =
  readonly ['returned', unknown] | readonly ['thrown', string, string, string | undefined];

async function outcomeOf(call: () => unknown): Promise<Outcome> {
  try {
    return ['returned', await call()];
  } catch (error) {
    const { name, message, code } = error as Error & { code?: string };
    return ['thrown', name, message, code];
  }
}

/** Makes calls, one after another. */
export async function callPortal(handle: PortalHandle, calls: readonly Call[]): Promise<Outcome[]> {
  const portal = connectThreadsPortal<PortalFunctions>(handle);
  const outcomes: Outcome[] = [];
  for (const [method, name, ...args] of calls)
    outcomes.push(await outcomeOf(() => portal[method](name, ...args)));
  return outcomes;
}

/**
 * Begins a call of `name`, makes two of `add` meanwhile, of which the second blocks, and cancels
 * the first. What came of each.
 */
export async function cancelAmongOthers(handle: PortalHandle, name: string): Promise<Outcome[]> {
  const portal = connectThreadsPortal<PortalFunctions>(handle);
  const call = portal.runCoroutineSoon(name);
  const other = portal.runSyncSoon('add', 1, 1);
  const blocking = await outcomeOf(() => portal.runSync('add', 2, 2));
  call.cancel();
  return [await outcomeOf(() => call), await outcomeOf(() => other), blocking];
}

/** Begins a call, and cancels it before the portal's thread receives it. */
export async function cancelAtOnce(handle: PortalHandle, name: string): Promise<Outcome> {
  const call = connectThreadsPortal<PortalFunctions>(handle).runCoroutineSoon(name);
  call.cancel();
  call.cancel();
  return outcomeOf(() => call);
}

import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';

/** Lets timers and I/O of the event loop have some turns. */
export async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await setImmediate();
}

/**
 * Waits, some turns at a time, until `condition` holds; two thousand times a millisecond at most.
 */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.fail(`did not happen within 2,000 checks: ${what}`);
}

/**
 * Whether a promise has settled after some turns of the event loop. A rejection counts as handled.
 */
export async function hasSettled(promise: Promise<unknown>, count?: number): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  void promise.then(note, note);
  await turns(count);
  return settled;
}

/** Expects the call to reject, not to throw, with an error of that `code`. Returns the error. */
export async function rejectsWith<E extends Error = Error & { code: string }>(
  code: string | readonly string[],
  call: () => Promise<unknown>,
): Promise<E> {
  const promise = call();
  let error: unknown;
  try {
    const value = await promise;
    assert.fail(`expected a rejection with ${String(code)}, but it resolved to ${String(value)}`);
  } catch (caught) {
    error = caught;
  }
  const found = (error as { code?: unknown } | null)?.code;
  const expected = typeof code === 'string' ? [code] : code;
  if (!expected.includes(found as string)) throw error;
  return error as E;
}

/** Expects undefined, which `run` of a scope resolves to when it ended its body. */
export async function endsQuietly(running: Promise<unknown>): Promise<void> {
  assert.equal(await running, undefined);
}

/** Expects the call to throw at once, with an error of that `code`. */
export function throwsWith(code: string, call: () => unknown): void {
  assert.throws(call, (error: { code?: unknown }) => error.code === code);
}

export const CANCELLED = 'ABORT_ERR';
export const CLOSED = 'ERR_CLOSED_RESOURCE';
export const BUSY = 'ERR_BUSY_RESOURCE';
export const UNSUPPORTED = 'ERR_UNSUPPORTED_OPERATION';
export const BAD_TYPE = 'ERR_INVALID_ARG_TYPE';
export const BAD_RANGE = 'ERR_OUT_OF_RANGE';
export const BAD_STATE = 'ERR_INVALID_STATE';
export const NO_ATTRIBUTE = 'ERR_ATTRIBUTE_LOOKUP';

/** Bytes that show their position: a big-endian counter in each four bytes. */
export function numbered(length: number, first = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i + 4 <= length; i += 4) view.setUint32(i, first + i / 4);
  return bytes;
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

export function bytes(value: string): Uint8Array {
  return Uint8Array.from(Buffer.from(value, 'latin1'));
}

/** The scope was cancelled, and it stopped its own error, or not. */
export function hasFlags(
  scope: { cancelCalled(): boolean; cancelledCaught(): boolean },
  called: boolean,
  caught: boolean,
): void {
  assert.deepEqual(
    { called: scope.cancelCalled(), caught: scope.cancelledCaught() },
    { called, caught },
  );
}

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { AsyncBackend } from '../contract/backend';
import { acloseForcefully } from '../transports/aclose-forcefully';

/** Where tests are told to: `describe` and `it` of node:test, of vitest, of mocha, … */
export interface TestRunner {
  /** Groups tests. */
  describe(name: string, define: () => void): void;
  /** One test. It fails if what `run` returns rejects. */
  it(name: string, run: () => Promise<void>): void;
}

/** What a backend may be unable to do, or its platform. */
export type Feature =
  | 'abstract names'
  | 'ancillary data'
  | 'canonical names'
  | 'exact Unix names'
  | 'local Unix paths'
  | 'port sharing'
  | 'resets behind data'
  | 'service names'
  | 'socket options'
  | 'taking back a send'
  | 'Unix datagrams'
  | 'Unix streams';

/** The backend that a suite is about. */
export interface ConformanceSubject {
  /** For the names of the tests. */
  readonly name: string;
  /** A new backend, for each test. Its clock is the system's. */
  newBackend(): AsyncBackend;
  /** AF_*, SOCK_*, AI_*, NI_* as this platform numbers them. */
  readonly constants: Readonly<Record<string, number>>;
  /** What it cannot do. The suites then check that it says so, with UnsupportedOperationError. */
  readonly lacks?: readonly Feature[];
}

/**
 * One test: a backend, and what must be closed at its end. Closing is shielded from cancellation.
 */
export class Scenario {
  readonly backend: AsyncBackend;
  readonly subject: ConformanceSubject;
  readonly #closers: (() => unknown)[] = [];

  /** @internal */
  constructor(subject: ConformanceSubject) {
    this.subject = subject;
    this.backend = subject.newBackend();
  }

  /** `close` is called at the end of the test, the last one first. */
  atEnd(close: () => unknown): void {
    this.#closers.push(close);
  }

  /** Closes it at the end of the test. */
  own<T extends { aclose(): Promise<void>; backend(): AsyncBackend }>(resource: T): T {
    this.atEnd(() => acloseForcefully(resource));
    return resource;
  }

  /** A number of the subject's platform: `AF_INET`. */
  constant(name: string): number {
    const value = this.subject.constants[name];
    assert.ok(value !== undefined, `the subject's constants have no ${name}`);
    return value;
  }

  /** A path where nothing is, in a folder of its own. */
  freshPath(): string {
    const folder = mkdtempSync(join(tmpdir(), 'ss-'));
    this.atEnd(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    return join(folder, 's');
  }

  /** A scope that has been cancelled: every checkpoint in `body` rejects. */
  inCancelledScope(body: () => Promise<unknown>): Promise<void> {
    const scope = this.backend.openCancelScope();
    scope.cancel();
    return scope.run(async () => {
      await body();
    });
  }

  /** @internal */
  async end(): Promise<void> {
    const errors: unknown[] = [];
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) {
      try {
        await close();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0)
      throw new AggregateError(errors, 'What the test opened could not be closed');
  }
}

/**
 * Defines a test: its name, a plain sentence, and its body, which runs as the root task of the
 * scenario's backend.
 */
export type DefineTest = (name: string, body: (scenario: Scenario) => Promise<void>) => void;

/** Defines the tests of one suite over one subject. */
export function defineSuite(
  runner: TestRunner,
  subject: ConformanceSubject,
  title: string,
  define: (test: DefineTest) => void,
): void {
  runner.describe(`${title} (${subject.name})`, () => {
    define((name, body) => {
      runner.it(name, async () => {
        const scenario = new Scenario(subject);
        await scenario.backend.bootstrap(async () => {
          try {
            await body(scenario);
          } finally {
            await scenario.backend.ignoreCancellation(() => scenario.end());
          }
        });
      });
    });
  });
}

export function lacks(subject: ConformanceSubject, feature: Feature): boolean {
  return subject.lacks?.includes(feature) === true;
}

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
  assert.fail(`it never came to be: ${what}`);
}

/**
 * Whether a promise has settled after some turns of the event loop. It is nobody's unhandled
 * rejection.
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

/** The call rejects (it does not throw) with an error of that `code`, which is returned. */
export async function rejectsWith<E extends Error = Error & { code: string }>(
  code: string | readonly string[],
  call: () => Promise<unknown>,
): Promise<E> {
  const promise = call();
  let error: unknown;
  try {
    const value = await promise;
    assert.fail(`it resolved, to ${String(value)}, and should have rejected with ${String(code)}`);
  } catch (caught) {
    error = caught;
  }
  const found = (error as { code?: unknown } | null)?.code;
  const expected = typeof code === 'string' ? [code] : code;
  if (!expected.includes(found as string)) throw error;
  return error as E;
}

/** It resolves to undefined: a scope has ended its body. */
export async function endsQuietly(running: Promise<unknown>): Promise<void> {
  assert.equal(await running, undefined);
}

/** The call throws at once with an error of that `code`. */
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

/** Bytes that tell their place: a number every four bytes. */
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

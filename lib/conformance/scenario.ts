import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AsyncBackend } from '../contract/backend';
import { acloseForcefully } from '../transports/aclose-forcefully';
import type { ConformanceSubject, Feature, TestResources, TestRunner } from './subject';

/**
 * One test: a backend, and what must be closed at its end. Closing is shielded from cancellation.
 */
export class Scenario implements TestResources {
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
      throw new AggregateError(errors, 'Some of what the test opened could not be closed');
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

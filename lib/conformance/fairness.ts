import assert from 'node:assert/strict';
import { stat } from 'node:fs';
import { CancelledError } from '../errors';
import { rejectsWith } from './expectations';
import { CONCURRENCY_CHECKPOINTS } from './fairness-concurrency';
import { SOCKET_CHECKPOINTS } from './fairness-sockets';
import { defineSuite } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';

/** A loop that freezes the event loop would freeze the test, too: it ends after so long. */
const LIMIT_MS = 10_000;
const TIMEOUT_MS = 10;

/** What else the event loop has to do while a loop of checkpoints runs. */
function otherWork(): { timer: boolean; io: boolean } {
  const seen = { timer: false, io: false };
  setTimeout(() => (seen.timer = true), 1);
  stat('/', () => (seen.io = true));
  return seen;
}

/** Repeats `call` while `goOn` returns true. @throws CancelledError of the call, if `feels` */
async function repeat(
  call: () => Promise<unknown>,
  feels: boolean,
  goOn: () => boolean,
): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  while (goOn()) {
    try {
      await call();
    } catch (error) {
      if (feels && error instanceof CancelledError) throw error;
    }
    assert.ok(performance.now() < end, 'the calls kept the event loop from timers or from I/O');
  }
}

/** Defines the tests of what checkpoints leave to timers, to I/O and to other tasks. */
export function testFairness(runner: TestRunner, subject: ConformanceSubject): void {
  defineSuite(runner, subject, 'a loop of checkpoints that need not wait', (test) => {
    for (const { name, prepare, isNoCheckpoint = false } of [
      ...CONCURRENCY_CHECKPOINTS,
      ...SOCKET_CHECKPOINTS,
    ]) {
      test(`leaves timers and I/O their turn, cancelled or not: ${name}`, async (scenario) => {
        const { backend } = scenario;
        const call = await prepare(scenario);
        const seen = otherWork();
        const isSeen = (): boolean => seen.timer && seen.io;
        if (isNoCheckpoint) {
          await repeat(call, false, () => !isSeen());
        } else {
          const timeout = backend.timeout(TIMEOUT_MS);
          await rejectsWith('ETIMEDOUT', () => timeout.run(() => repeat(call, true, () => true)));
          await repeat(call, false, () => !isSeen());
        }
        const later = otherWork();
        await scenario.inCancelledScope(() =>
          repeat(call, false, () => !(later.timer && later.io)),
        );
      });
    }
  });
}

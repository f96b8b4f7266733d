import { setImmediate } from 'node:timers/promises';

/**
 * Collects garbage until `done` returns true: finalizers run in a later turn of the event loop,
 * some after a second collection. Fails after 100 rounds. Needs `--expose-gc`, which
 * vitest.config.mts sets.
 */
export async function collectUntil(
  done: () => boolean,
  what = 'the object to be collected',
): Promise<void> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('run with --expose-gc');
  for (let round = 0; round < 100; round++) {
    gc();
    await setImmediate();
    if (done()) return;
  }
  throw new Error(`100 collections did not bring ${what}`);
}

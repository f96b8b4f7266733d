import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { programs } from './generate';
import { difference } from './model/conform';
import { run } from './run';
import type { Run } from './run';
import { toText } from './text';
import type { Program } from './program';

/**
 * `SOCKSCOPE_PROPERTY_RUNS=100000` runs many programs; `SOCKSCOPE_PROPERTY_SEED` repeats the
 * programs of a run that failed.
 */
const runs = Number(process.env['SOCKSCOPE_PROPERTY_RUNS'] ?? 1_000);
const seed = Number(process.env['SOCKSCOPE_PROPERTY_SEED'] ?? Date.now() % 2 ** 31);

async function verdict(program: Program, budget: 'full' | 'spent'): Promise<string | null> {
  const observed = await run(program, budget);
  const found = difference(program, observed);
  if (found === null && observed.complaints.length === 0) return null;
  return [
    ...observed.complaints,
    ...(found === null ? [] : [`the library contradicts the model: ${found.message}`]),
    '',
    toText(program),
    '',
    ...told(observed, found?.at),
  ].join('\n');
}

/** The trace, one event per line, with an arrow at the event that the model does not allow. */
function told({ trace }: Run, at: number | undefined): string[] {
  return trace.map(
    ({ time, task, node, what }, index) =>
      `${index === at ? '->' : '  '} ${String(time).padStart(4)}  ${task}: ${String(node)} ${what}`,
  );
}

describe('structured concurrency', () => {
  it(
    `behaves like the reference model (seed ${String(seed)}, ${String(runs)} programs)`,
    { timeout: 60_000 + runs * 20 },
    async () => {
      const property = fc.asyncProperty(programs(), async (program) => {
        const message = (await verdict(program, 'full')) ?? (await verdict(program, 'spent'));
        if (message !== null) throw new Error(message);
      });
      const result = await fc.check(property, { numRuns: runs, seed, endOnFailure: false });
      if (!result.failed) return;
      const { counterexample, numShrinks, errorInstance, counterexamplePath } = result;
      expect.fail(
        `seed ${String(seed)}, path ${String(counterexamplePath)}, shrunk ${String(numShrinks)} times\n${counterexample === null ? '' : String((errorInstance as Error | null)?.message)}`,
      );
    },
  );
});

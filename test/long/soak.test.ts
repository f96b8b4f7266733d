import { describe, expect, it } from 'vitest';
import { runNode } from '../support/child';
import { longMinutes, sized, withSeed } from '../support/long';

const SECONDS = sized(45, longMinutes * 60);
const MB = 2 ** 20;

interface Result {
  readonly samples: readonly { rss: number; heap: number; fds: number }[];
  readonly done: Record<string, number>;
}

/** The least of some samples: a peak is no growth. */
const least = (values: readonly number[]): number => Math.min(...values);

describe.runIf(process.platform === 'linux')(
  'a soak',
  { timeout: SECONDS * 1_000 + 90_000 },
  () => {
    it('of mixed load changes no byte, and memory and fds do not grow', async () => {
      await withSeed(import.meta.url, async (seed) => {
        const { stdout, stderr, code } = await runNode(
          new URL('fixtures/soak.mjs', import.meta.url),
          {
            args: [JSON.stringify({ seconds: SECONDS, seed, pause: sized(20, 2) })],
            execArgv: ['--expose-gc'],
            timeout: SECONDS * 1_000 + 60_000,
          },
        );
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        const { samples, done } = JSON.parse(stdout) as Result;
        for (const [what, count] of Object.entries(done)) expect(count, what).toBeGreaterThan(0);
        // The first third warms up: code is compiled, and threads start.
        const steady = samples.slice(samples.length / 3);
        const [early, late] = [steady.slice(0, 4), steady.slice(4)];
        const growth = (of: (sample: (typeof steady)[number]) => number): number =>
          least(late.map(of)) - least(early.map(of));
        expect(new Set(steady.map(({ fds }) => fds)).size, 'numbers of open fds').toBe(1);
        expect(growth(({ heap }) => heap) / MB, 'MB of heap').toBeLessThan(2);
        // Memory that was freed stays with the allocator, in pieces.
        expect(growth(({ rss }) => rss) / MB, 'MB of resident memory').toBeLessThan(64);
      });
    });
  },
);

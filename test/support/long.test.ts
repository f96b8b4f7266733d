import { expect, it } from 'vitest';
import { replayCommand, withSeed } from './long';
import { seededRandom } from './random.mjs';

it('seededRandom gives the same numbers for the same seed, and others for the next seed', () => {
  const take = (seed: number): number[] => Array.from({ length: 50 }, seededRandomOf(seed, 1000));
  expect(take(7)).toEqual(take(7));
  expect(take(7)).not.toEqual(take(8));
  expect(new Set(take(7)).size).toBeGreaterThan(40);
  expect(Math.max(...take(7))).toBeLessThan(1000);
});

it('withSeed adds to a failure the command that repeats the run', async () => {
  const failing = withSeed(import.meta.url, async (_seed, tell) => {
    tell(12);
    throw new Error('wrong');
  });
  await expect(failing).rejects.toThrow(
    /^wrong\nAgain: .*SOCKSCOPE_SEED=12 npx vitest run --project default test\/support\/long.test.ts$/,
  );
  expect(replayCommand(import.meta.url, 3)).toContain('SOCKSCOPE_SEED=3 ');
  await expect(withSeed(import.meta.url, async (seed) => typeof seed)).resolves.toBe('number');
});

function seededRandomOf(seed: number, limit: number): () => number {
  const random = seededRandom(seed);
  return () => random(limit);
}

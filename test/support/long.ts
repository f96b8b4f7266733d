import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from './child';

/**
 * The files of test/long have two forms: a short one of some seconds, which every run of the tests
 * has, and a long one, by `npm run test:long`, which sets SOCKSCOPE_LONG.
 */
const wanted = process.env['SOCKSCOPE_LONG'] ?? '';
export const isLong = wanted !== '' && wanted !== '0';

/** What SOCKSCOPE_LONG says: how many minutes the soak lasts in its long form. */
export const longMinutes = Number(wanted) || 60;

/** The first value in the short form, the second one in the long form. */
export function sized<T>(short: T, long: T): T {
  return isLong ? long : short;
}

/** The seed of this run, an unsigned 31-bit integer: that of SOCKSCOPE_SEED, else a new one. */
export const seed = Number(process.env['SOCKSCOPE_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/**
 * Runs a body that depends on the seed. The error of a body that fails says with which command the
 * same numbers come again. `file` is the `import.meta.url` of the test. A body that makes several
 * rounds, each with a seed of its own, gives the seed of each round to `tell`.
 */
export async function withSeed<T>(
  file: string,
  body: (seed: number, tell: (seed: number) => void) => Promise<T>,
): Promise<T> {
  let latest = seed;
  try {
    return await body(seed, (one) => (latest = one));
  } catch (error) {
    if (error instanceof Error) error.message += `\n${replayCommand(file, latest)}`;
    throw error;
  }
}

/** The command that runs a test file with the same numbers, in the same form. */
export function replayCommand(file: string, ofSeed: number): string {
  const form = isLong ? `SOCKSCOPE_LONG=${wanted} ` : '';
  const path = relative(packageRoot, fileURLToPath(file));
  return `Again: ${form}SOCKSCOPE_SEED=${ofSeed} npx vitest run --project default ${path}`;
}

import { describe, expect, it } from 'vitest';
import { runNode } from '../support/child';
import { underFaults } from '../support/faults/fault-run';
import { FAULT_KINDS, HIDDEN_KINDS, TARGETS } from '../support/faults/faults.mjs';
import { sized, withSeed } from '../support/long';

const MAIN = new URL('fixtures/programs/main.mjs', import.meta.url);
const MINUTE = 60_000;
const TIMEOUT = sized(3 * MINUTE, 180 * MINUTE);

interface Result {
  readonly programs: number;
  readonly faults: number;
  readonly defects: readonly { readonly seed: number }[];
}

/** Runs random programs, the first one with the seed. Fails with the seed of the first defect. */
async function programs(options: object, env: NodeJS.ProcessEnv): Promise<Result> {
  return withSeed(import.meta.url, async (seed, tell) => {
    const { stdout, stderr } = await runNode(MAIN, {
      args: [JSON.stringify({ seed, ...options })],
      env,
      timeout: TIMEOUT,
    });
    const last = stdout.trimEnd().split('\n').at(-1) ?? '';
    if (!last.startsWith('{')) throw new Error(`the programs broke off:\n${stdout}\n${stderr}`);
    const result = JSON.parse(last) as Result;
    const [first] = result.defects;
    if (first === undefined) return result;
    tell(first.seed);
    throw new Error(`defects:\n${JSON.stringify(result.defects, null, 2)}`);
  });
}

// These programs are the same on every backend; fds are counted in /proc.
describe.runIf(process.platform === 'linux')('random programs', { timeout: TIMEOUT }, () => {
  it.each(['native', 'node'])(
    'lose no byte, no datagram and no fd on the backend %s',
    async (backend) => {
      const options = { backend, programs: sized(25, 20_000) };
      const { programs: count } = await programs(options, {});
      expect(count).toBe(options.programs);
    },
  );

  const rates = [
    ['native', 'delays and short counts', HIDDEN_KINDS, 4],
    ['native', 'all faults', FAULT_KINDS, 10],
    ['node', 'delays and short counts', HIDDEN_KINDS, 6],
    ['node', 'all faults', FAULT_KINDS, 15],
  ] as const;
  it.each(rates)('on %s, under %s, keep what succeeded', async (backend, _, kinds, rate) => {
    const targets = backend === 'native' ? TARGETS.addon : TARGETS.libuv;
    const { faults } = await programs(
      {
        backend,
        programs: sized(10, 100),
        faults: sized(100, 25_000),
        inject: { kinds, rate, targets },
      },
      underFaults().env,
    );
    expect(faults).toBeGreaterThanOrEqual(100);
  });
});

import { describe, expect, it } from 'vitest';
import { runNode } from '../support/child';
import { sized, withSeed } from '../support/long';

const program = new URL('./fixtures/native-calls.mjs', import.meta.url);
/** Each round is a process of its own. */
const CALLS = sized(10_000, 100_000);
const ROUNDS = sized(1, 10);

/** Functions that rarely or never succeed: the reactor is chosen and open already. */
const RARE = new Set(['reactorUse', 'reactorOpen', 'accept', 'adopt', 'connect', 'listen']);

describe.runIf(process.platform === 'linux')('the functions of the addon', () => {
  it.each(['epoll', 'poll'])(
    'take all arguments without harm, with the reactor %s',
    { timeout: sized(100_000, 3_600_000) },
    async (reactor) => {
      await withSeed(import.meta.url, async (first, tell) => {
        for (let round = 0; round < ROUNDS; round++) {
          const seed = (first + round) % 2 ** 31;
          tell(seed);
          const { code, signal, stdout, stderr } = await runNode(program, {
            execArgv: ['--expose-gc'],
            args: [String(seed), String(CALLS)],
            env: { SOCKSCOPE_REACTOR: reactor },
            timeout: sized(90_000, 600_000),
          });
          expect([code, signal, stderr]).toEqual([0, null, '']);
          const { successes } = JSON.parse(stdout) as { successes: Record<string, number> };
          const never = Object.keys(successes).filter((name) => successes[name] === 0);
          expect(
            never.filter((name) => !RARE.has(name)),
            'functions that did not succeed once',
          ).toEqual([]);
        }
      });
    },
  );
});

import { describe, expect, it } from 'vitest';
import { node } from '../conformance/subjects';
import { type Outcome, runNode } from '../support/child';
import { underFaults } from '../support/faults/fault-run';
import { FAULT_KINDS, HIDDEN_KINDS, TARGETS } from '../support/faults/faults.mjs';
import { sized, withSeed } from '../support/long';

const linux = process.platform === 'linux';
const FIXTURE = new URL('fixtures/conformance-under-faults.mjs', import.meta.url);
const MINUTE = 60_000;

/** The suites that make system calls; the others know no socket. */
const SOCKETS = 'connecti|listen|UDP|Unix|control|wrapp|backlog';

interface Result {
  readonly tests: number;
  readonly faults: number;
  readonly stuck: number;
  readonly counts: Record<string, number>;
}

async function conformance(
  backend: 'native' | 'node',
  kinds: readonly string[],
  seed: number,
): Promise<Result> {
  const options = {
    backend,
    lacks: backend === 'node' ? node.lacks : [],
    kinds,
    rate: kinds === HIDDEN_KINDS ? 5 : 30,
    targets: backend === 'node' ? TARGETS.libuv : TARGETS.addon,
    seed,
    suites: SOCKETS,
    sample: sized(15, 400),
    faults: sized(20, 25_000),
  };
  const { stdout, stderr, code } = await runNode(FIXTURE, {
    args: [JSON.stringify(options)],
    env: underFaults().env,
    timeout: sized(2 * MINUTE, 120 * MINUTE),
  });
  if (code !== 0) throw new Error(`defects:\n${stdout}\n${stderr}`);
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Result;
}

describe.runIf(linux)('the conformance suite', { timeout: sized(3 * MINUTE, 130 * MINUTE) }, () => {
  it.each(['native', 'node'] as const)(
    'passes on %s while calls are interrupted, delayed and shortened',
    async (backend) => {
      await withSeed(import.meta.url, async (seed) => {
        const { faults, counts } = await conformance(backend, HIDDEN_KINDS, seed);
        expect(faults).toBeGreaterThanOrEqual(20);
        expect(counts).toMatchObject({ fdLimit: 0, memory: 0, reset: 0 });
      });
    },
  );

  it('fails on native as documented, without fds, memory and peers, and leaves no fd open', async () => {
    await withSeed(import.meta.url, async (seed) => {
      const { faults, tests, stuck } = await conformance('native', FAULT_KINDS, seed);
      expect(faults).toBeGreaterThanOrEqual(20);
      expect(stuck).toBeLessThan(tests / 4);
    });
  });
});

describe.runIf(linux)('the examples', { timeout: sized(3 * MINUTE, 130 * MINUTE) }, () => {
  const examples = ['examples/raw-socket.mjs', 'examples/timeouts.mjs'];

  it.each(examples)('%s works while calls are interrupted, delayed and shortened', async (file) => {
    await withSeed(import.meta.url, async (seed, tell) => {
      for (let i = 0; i < sized(1, 50); i++) {
        tell(seed + i);
        const plain = await runExample(file, {});
        const faults = underFaults({
          kinds: HIDDEN_KINDS,
          rate: 3,
          seed: seed + i,
          targets: TARGETS.addon,
        });
        const { code, stdout, stderr } = await runExample(file, faults.env);
        expect({ code, stderr, stdout: withoutNumbers(stdout) }).toEqual({
          code: 0,
          stderr: plain.stderr,
          stdout: withoutNumbers(plain.stdout),
        });
      }
    });
  });
});

function runExample(file: string, env: NodeJS.ProcessEnv): Promise<Outcome> {
  return runNode(file, { env, timeout: MINUTE });
}

function withoutNumbers(text: string): string {
  return text.replace(/\d+/g, 'N');
}

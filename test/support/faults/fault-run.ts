import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { packageRoot } from '../child';
import { FAULT_KINDS, maskOf, readFaults } from './faults.mjs';

const folder = mkdtempSync(join(tmpdir(), 'ss-faults-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

let library: string | undefined;

/** Compiles faults.c, once in a test file. */
function faultLibrary(): string {
  if (library === undefined) {
    library = join(folder, 'faults.so');
    const source = join(packageRoot, 'test/support/faults/faults.c');
    const flags = ['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror', '-fvisibility=hidden'];
    execFileSync(process.env['CC'] ?? 'cc', [...flags, '-o', library, source, '-ldl', '-lpthread']);
  }
  return library;
}

/** The environment of a process under faults.c, and what it and its children have met. */
export interface FaultRun {
  readonly env: NodeJS.ProcessEnv;
  /** The faults of all its processes together, by kind. */
  counts(): Record<string, number>;
}

/**
 * Prepares a process that runs under faults.c. Without `atStart`, the process itself switches its
 * faults on, by `ownFaults` of faults.mjs.
 */
export function underFaults(atStart?: {
  readonly kinds: readonly string[];
  readonly rate: number;
  readonly seed: number;
  readonly targets: number;
}): FaultRun {
  const own = mkdtempSync(join(folder, 'run-'));
  return {
    env: {
      LD_PRELOAD: faultLibrary(),
      SOCKSCOPE_FAULTS: own,
      ...(atStart && {
        SOCKSCOPE_FAULTS_AT_START: [
          maskOf(atStart.kinds),
          atStart.rate,
          atStart.seed,
          atStart.targets,
        ].join(' '),
      }),
    },
    counts: () => {
      const runs = readdirSync(own).map((pid) => readFaults(join(own, pid)).counts);
      return Object.fromEntries(
        FAULT_KINDS.map((kind) => [
          kind,
          runs.reduce((sum, counts) => sum + (counts[kind] ?? 0), 0),
        ]),
      );
    },
  };
}

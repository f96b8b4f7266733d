import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import {
  childEnvironment,
  type Outcome,
  packageRoot,
  run,
  type RunOptions,
  spawnChild,
} from '../support/child';

const main = join(packageRoot, 'dist', 'cli', 'main.js');

/** Runs `sockscope` with arguments, to its end. */
export const sockscope = (
  args: readonly string[],
  options: Omit<RunOptions, 'args'> = {},
): Promise<Outcome> => run(process.execPath, { ...options, args: [main, ...args] });

/** A running `sockscope` process. */
export interface Running {
  readonly child: ChildProcess;
  /** Everything that it has printed so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /**
   * Resolves to the first match in what the process prints, on either output. Rejects if the
   * process ends before.
   */
  find(pattern: RegExp): Promise<RegExpExecArray>;
  /** Sends the signal, if any, and waits for the end of the process. */
  end(
    signal?: NodeJS.Signals,
  ): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

const running = new Set<ChildProcess>();

afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
});

/** Starts `sockscope` with arguments. The end of the test kills it. */
export function start(args: readonly string[], fds: readonly number[] = []): Running {
  const child = spawnChild(process.execPath, [main, ...args], {
    env: childEnvironment(),
    stdio: ['pipe', 'pipe', 'pipe', ...fds],
  });
  running.add(child);
  let stdout = '';
  let stderr = '';
  const watchers = new Set<() => void>();
  const changed = (): void => {
    for (const watch of [...watchers]) watch();
  };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    changed();
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    changed();
  });
  // EPIPE: the process may end before it has read all of its input.
  child.stdin?.on('error', changed);
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  void closed.then(changed);
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    find: (pattern) =>
      new Promise((resolve, reject) => {
        const watch = (): void => {
          const match = pattern.exec(stdout) ?? pattern.exec(stderr);
          if (match === null && child.exitCode === null && child.signalCode === null) return;
          watchers.delete(watch);
          if (match === null)
            reject(
              new Error(
                `sockscope ended before it printed ${String(pattern)}.\n${stdout}\n${stderr}`,
              ),
            );
          else resolve(match);
        };
        watchers.add(watch);
        watch();
      }),
    end: async (signal) => {
      if (signal !== undefined) child.kill(signal);
      const [code, endedBy] = await closed;
      return { code, signal: endedBy };
    },
  };
}

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

/** Runs the command to its end. */
export const sockscope = (
  args: readonly string[],
  options: Omit<RunOptions, 'args'> = {},
): Promise<Outcome> => run(process.execPath, { ...options, args: [main, ...args] });

/** The command while it runs. */
export interface Running {
  readonly child: ChildProcess;
  /** Everything so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /**
   * Resolves to the first match in what it has printed, on either output. Rejects if it ends
   * without.
   */
  find(pattern: RegExp): Promise<RegExpExecArray>;
  /** Sends the signal, if one is given, and waits for the end. */
  end(
    signal?: NodeJS.Signals,
  ): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

const running = new Set<ChildProcess>();

afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
});

/** Starts the command. It ends with the test at the latest. */
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
  // It may end before it has read everything.
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
                `it ended, and printed nothing like ${String(pattern)}.\nstdout: ${stdout}\nstderr: ${stderr}`,
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

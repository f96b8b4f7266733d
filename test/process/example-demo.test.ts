import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { childEnvironment, type Outcome, packageRoot, runNode, spawnChild } from '../support/child';

const MAIN = 'examples/demo/main.mjs';
/** The demo's temporary files go here, so that a file it leaves behind is found. */
const temporary = mkdtempSync(join(tmpdir(), 'ss-'));
afterAll(() => {
  rmSync(temporary, { recursive: true });
});

const demo = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> =>
  runNode(MAIN, { args, env: { TMPDIR: temporary, ...env }, timeout: 80_000 });

/** The pids of the server processes, out of what the demo printed. */
const serverPids = (stdout: string): number[] =>
  (/run in processes (\d+) and (\d+)$/m.exec(stdout) ?? []).slice(1).map(Number);

function expectNothingLeft(stdout: string): void {
  expect(readdirSync(temporary)).toEqual([]);
  const pids = serverPids(stdout);
  expect(pids).toHaveLength(2);
  for (const pid of pids)
    expect(() => process.kill(pid, 0)).toThrow(expect.objectContaining({ code: 'ESRCH' }));
}

describe('examples/demo', { timeout: 90_000 }, () => {
  it('shows everything at work, ends with a table, and leaves nothing behind', async () => {
    const { code, stdout, stderr } = await demo(['--seconds', '0.1']);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /passing a TCP connection to another process, by its fd \.\.\. process \d+ speaking/,
    );
    expect(stdout).toMatch(
      /a client that sends nothing, and its deadline \.\.\. cancelled after \d+ ms, and its connection closed/,
    );
    for (const row of ['TCP', 'Unix stream', 'UDP', 'Unix datagram'])
      expect(stdout).toMatch(new RegExp(`^${row} +native +[\\d,]+ +[\\d,]+ +[\\d.]+`, 'm'));
    for (const row of ['TCP +node:net', 'Unix stream +node:net', 'UDP +node:dgram'])
      expect(stdout).toMatch(new RegExp(`^${row} +[\\d,]+`, 'm'));
    expect(stdout).toContain('npm run bench -- quick');
    expectNothingLeft(stdout);
  });

  it('leaves nothing behind when a signal ends it', async () => {
    const child = spawnChild(process.execPath, [join(packageRoot, MAIN), '--seconds', '60'], {
      env: childEnvironment({ TMPDIR: temporary }),
    });
    const closed = once(child, 'close');
    let stdout = '';
    let isSignalled = false;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (isSignalled || !stdout.includes('each echo compared')) return;
      isSignalled = true;
      child.kill('SIGTERM');
    });
    expect(await closed).toEqual([1, null]);
    expect(stdout).toMatch(/^interrupted$/m);
    expectNothingLeft(stdout);
  });

  it('--help lists its options', async () => {
    const { code, stdout, stderr } = await demo(['--help']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^Usage: node examples\/demo\/main\.mjs/);
    expect(stdout).toContain('--help');
  });

  it.each([
    [['--seconds', 'few'], '--seconds'],
    [['--seconds', '0'], '--seconds'],
    [['extra'], 'extra'],
  ])('%j is a usage error: a message on stderr, and status 2', async (args, text) => {
    const { code, stdout, stderr } = await demo(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(text);
    expect(stderr).not.toMatch(/\n {4}at /);
  });

  it('where no binary runs, says so, with status 1', async () => {
    // With these variables, node-gyp-build finds no binary.
    const missing = { PREBUILDS_ONLY: '1', SOCKSCOPE_PREBUILD: temporary };
    const { code, stdout, stderr } = await demo([], missing);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^The native backend of sockscope is not available/m);
    expect(stderr).not.toMatch(/\n {4}at /);
  });
});

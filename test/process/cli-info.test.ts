import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../support/child';
import { sockscope } from './cli-kit';

const empty = mkdtempSync(join(tmpdir(), 'ss-'));
afterAll(() => {
  rmSync(empty, { recursive: true });
});
/** Variables of node-gyp-build. With these it finds no binary. */
const missing = { PREBUILDS_ONLY: '1', SOCKSCOPE_PREBUILD: empty };

describe('sockscope', () => {
  it('--help lists the commands, and --version prints the version', async () => {
    for (const args of [['--help'], ['-h'], ['help']]) {
      const { code, stdout, stderr } = await sockscope(args);
      expect([code, stderr]).toEqual([0, '']);
      for (const command of ['info', 'echo', 'relay'])
        expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    }
    const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
      version: string;
    };
    expect(await sockscope(['--version'])).toEqual({
      code: 0,
      signal: null,
      stdout: `${version}\n`,
      stderr: '',
    });
  });

  it.each(['info', 'echo', 'relay'])('%s --help lists its options', async (command) => {
    const { code, stdout, stderr } = await sockscope([command, '--help']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(new RegExp(`^Usage: sockscope ${command}`));
    expect(stdout).toContain('--help');
  });

  it.each([
    [[], 'Usage:'],
    [['nonsense'], 'unknown command "nonsense"'],
    [['toString'], 'unknown command "toString"'],
    [['info', '--bogus'], "Unknown option '--bogus'"],
    [['info', 'extra'], 'extra'],
    [['echo'], 'needs an endpoint'],
    [['echo', 'tcp:127.0.0.1'], 'HOST:PORT'],
    [['echo', 'tcp:127.0.0.1:70000'], '0 to 65535'],
    [['echo', 'unix:'], 'has no path'],
    [['echo', 'stdio'], 'does not work here'],
    [['echo', 'smoke:signals'], 'unknown kind "smoke"'],
    [['echo', 'tcp:127.0.0.1:0', '--buffer', '0'], '--buffer'],
    [['echo', 'tcp:127.0.0.1:0', '--grace', 'long'], '--grace'],
    [['relay', 'stdio'], 'two endpoints'],
    [['relay', 'stdio', 'stdio'], 'itself'],
    [['relay', 'udp:127.0.0.1:1', 'stdio'], 'does not work here'],
    [['relay', 'fd:x', 'stdio'], 'must be a number'],
    [['relay', 'stdio', 'tcp:a:1', '--buffer', 'much'], '--buffer'],
  ] as const)('%j is a usage error: a message on stderr, and status 2', async (args, text) => {
    const { code, stdout, stderr } = await sockscope(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(text);
    expect(stderr).not.toMatch(/\n {4}at /);
  });
});

describe('sockscope info', () => {
  it('prints which binary is loaded, and what the platform can do', async () => {
    const { code, stdout, stderr } = await sockscope(['info']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^Node\.js \d+.*\nnative backend: .*\.node \(reactor: (epoll|poll)\)\n/);
    expect(stdout).toMatch(/^Unix stream +yes +unix\(7\)$/m);
  });

  it('--json prints the same as JSON', async () => {
    const { code, stdout } = await sockscope(['info', '--json']);
    expect(code).toBe(0);
    const info = JSON.parse(stdout) as {
      native: object;
      capabilities: { name: string; available: boolean }[];
      node: string;
    };
    expect(info).toMatchObject({
      platform: process.platform,
      arch: process.arch,
      node: process.versions.node,
      native: { available: true },
    });
    expect(info.capabilities.find(({ name }) => name === 'fd passing')).toMatchObject({
      available: true,
    });
  });

  it('prints why no binary is loaded, with status 1', async () => {
    const { code, stdout, stderr } = await sockscope(['info'], { env: missing });
    expect([code, stderr]).toEqual([1, '']);
    expect(stdout).toContain('native backend: not available');
    expect(stdout).toContain(join(empty, 'prebuilds'));
    const json = JSON.parse(
      (await sockscope(['info', '--json'], { env: missing })).stdout,
    ) as object;
    expect(json).toMatchObject({ native: { available: false }, capabilities: [] });
  });
});

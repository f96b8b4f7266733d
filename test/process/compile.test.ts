import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Outcome, packageRoot, run } from '../support/child';

/** A package of one C file, so that the compiler has little to do. */
const folder = mkdtempSync(join(tmpdir(), 'sockscope-compile-'));

beforeAll(() => {
  writeFileSync(join(folder, 'package.json'), '{ "name": "tiny", "version": "1.0.0" }');
  writeFileSync(
    join(folder, 'binding.gyp'),
    '{ "targets": [{ "target_name": "tiny", "sources": ["tiny.c"] }] }',
  );
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the script `compile:native` of package.json on that package, as `npm run --silent` does. */
function compile(source: string, ...extra: string[]): Promise<Outcome> {
  writeFileSync(join(folder, 'tiny.c'), source);
  const { scripts } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const [command, script, ...args] = scripts['compile:native']!.split(' ');
  expect([command, script]).toEqual(['node', 'scripts/gyp.cjs']);
  return run(process.execPath, {
    args: [join(packageRoot, script!), ...args, ...extra],
    cwd: folder,
    env: { npm_config_loglevel: 'silent' },
    timeout: 60_000,
  });
}

describe('npm run compile:native', { timeout: 90_000 }, () => {
  it('prints nothing if it succeeds', async () => {
    expect(await compile('int tiny = 1;\n')).toEqual({
      code: 0,
      signal: null,
      stdout: '',
      stderr: '',
    });
  });

  it('prints all output on stderr, and fails, if the compiler fails', async () => {
    const { code, stdout, stderr } = await compile('#error not today\n');
    expect(code).not.toBe(0);
    expect(stdout).toBe('');
    expect(stderr).toContain('CC(target)');
    expect(stderr).toContain('not today');
    expect(stderr).toContain('gyp ERR! build error');
  });

  it('prints the output of make with --verbose', async () => {
    const { code, stdout } = await compile('int tiny = 2;\n', '--verbose');
    expect(code).toBe(0);
    expect(stdout).toContain('CC(target)');
  });
});

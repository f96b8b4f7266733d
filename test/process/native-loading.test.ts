import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nativeBinding, nativeBindingPath } from '#lib/binding';
import { runCode } from '../support/child';

const load = `const { nativeBinding, nativeBindingPath } = require('./dist/binding.js');
try { nativeBinding(); console.log('loaded', nativeBindingPath()); }
catch (error) { console.log(JSON.stringify({ name: error.name, code: error.code, message: error.message, cause: String(error.cause) })); }`;

interface Failure {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly cause: string;
}

async function failure(program: string, env: NodeJS.ProcessEnv = {}): Promise<Failure> {
  const { stdout, stderr, code } = await runCode(program, {
    commonjs: true,
    env: { SOCKSCOPE_REACTOR: undefined, ...env },
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Failure;
}

let folder = '';
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'ss-')));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** The folder of this platform's binaries. */
const prebuilds = (): string => join(folder, 'prebuilds', `${process.platform}-${process.arch}`);

describe('nativeBinding', () => {
  it('is loaded once, and its path is known', () => {
    expect(nativeBinding()).toBe(nativeBinding());
    expect(nativeBindingPath()).toMatch(/\.node$/);
  });

  it('is not loaded by importing the package', async () => {
    const program = `require('sockscope');
      const loaded = () => process.report.getReport().sharedObjects.some((file) => file.endsWith('.node'));
      console.log(loaded());
      require('./dist/binding.js').nativeBinding();
      console.log(loaded());`;
    const { stdout } = await runCode(program, { commonjs: true });
    expect(stdout).toBe('false\ntrue\n');
  });

  it('fails with the files looked for, the platform, and the backend that works without it', async () => {
    const error = await failure(load, { SOCKSCOPE_PREBUILD: folder });
    expect(error).toMatchObject({ name: 'Error', code: 'ERR_NATIVE_UNAVAILABLE' });
    for (const part of [
      join(folder, 'build', 'Release'),
      prebuilds(),
      process.platform,
      process.arch,
      process.versions.node,
      "newBuiltinBackend('node')",
    ])
      expect(error.message).toContain(part);
    expect(error.cause).toContain('No native build was found');
    const prebuildsOnly = await failure(load, { SOCKSCOPE_PREBUILD: folder, PREBUILDS_ONLY: '1' });
    expect(prebuildsOnly.message).not.toContain('Release');
    const again = `${load}${load.replace(/^const .*\n/, '')}`.replaceAll(
      'console.log(JSON',
      'console.log(error.code); void (JSON',
    );
    const { stdout } = await runCode(again, {
      commonjs: true,
      env: { SOCKSCOPE_PREBUILD: folder },
    });
    expect(stdout).toBe('ERR_NATIVE_UNAVAILABLE\nERR_NATIVE_UNAVAILABLE\n');
  });

  it('says why an existing binary does not load', async () => {
    mkdirSync(prebuilds(), { recursive: true });
    const file = join(prebuilds(), 'sockscope.node');
    writeFileSync(file, 'not a binary');
    const error = await failure(load, { SOCKSCOPE_PREBUILD: folder });
    expect(error.code).toBe('ERR_NATIVE_UNAVAILABLE');
    expect(error.message).toContain(`${file} does not load`);
    copyFileSync(nativeBindingPath(), file);
    const { stdout } = await runCode(load, {
      commonjs: true,
      env: { SOCKSCOPE_PREBUILD: folder, SOCKSCOPE_REACTOR: undefined },
    });
    expect(stdout).toBe(`loaded ${file}\n`);
    rmSync(file);
  });

  it('refuses Bun and Windows before any native code runs', async () => {
    const as = (change: string): string =>
      `${change}${load} if (process.report.getReport().sharedObjects.some((file) => file.endsWith('.node'))) throw new Error('loaded');`;
    const bun = await failure(
      as(
        `Object.defineProperty(process, 'versions', { value: { ...process.versions, bun: '1.0.0' } });`,
      ),
    );
    expect(bun.code).toBe('ERR_NATIVE_UNAVAILABLE');
    expect(bun.message).toContain('Bun');
    const windows = await failure(
      as(`Object.defineProperty(process, 'platform', { value: 'win32' });`),
    );
    expect(windows.code).toBe('ERR_NATIVE_UNAVAILABLE');
    expect(windows.message).toContain('Windows');
  });

  it('takes the reactor from SOCKSCOPE_REACTOR, and refuses unknown names', async () => {
    const kinds = process.platform === 'linux' ? ['epoll', 'poll', ''] : ['poll', ''];
    for (const kind of kinds) {
      const { stdout } = await runCode(
        `console.log(require('./dist/binding.js').nativeBinding().reactorKind());`,
        {
          commonjs: true,
          env: { SOCKSCOPE_REACTOR: kind },
        },
      );
      expect(stdout.trim()).toBe(kind === '' ? kinds[0] : kind);
    }
    for (const kind of ['kqueue', 'EPOLL', 'x'.repeat(1000)]) {
      const error = await failure(load, { SOCKSCOPE_REACTOR: kind });
      expect(error).toMatchObject({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
      expect(error.message).toContain('SOCKSCOPE_REACTOR');
    }
  });
});

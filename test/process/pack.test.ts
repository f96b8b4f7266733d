import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectedFiles, npm, pack } from '../../scripts/pack.mjs';
import { packageRoot, run, type Outcome, type RunOptions } from '../support/child';

const folder = mkdtempSync(join(tmpdir(), 'sockscope-pack-'));
const app = join(folder, 'app');
const bin = join(folder, 'bin');
let packed: { tarball: string; files: string[] };

/**
 * Runs this Node.js in the application's folder. The PATH has only node: no compiler, no Python, no
 * npm.
 */
function node(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return run(process.execPath, {
    cwd: app,
    ...options,
    args,
    env: { PATH: bin, NODE_PATH: undefined, ...options.env },
  });
}

/** Runs a program that prints JSON and no error, and parses its output. */
async function answer(source: string, extension: 'mjs' | 'cjs'): Promise<unknown> {
  const file = join(app, `program.${extension}`);
  writeFileSync(file, source);
  const { code, stdout, stderr } = await node([file]);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout);
}

/** The dependencies of a package that are installed here, and theirs in turn. */
function dependenciesOf(path: string, found = new Set<string>()): string[] {
  const manifest = JSON.parse(
    readFileSync(join(packageRoot, path, 'package.json'), 'utf8'),
  ) as Record<string, Record<string, string> | undefined>;
  for (const name of Object.keys({
    ...manifest['dependencies'],
    ...manifest['optionalDependencies'],
  })) {
    const folderOf = join('node_modules', name);
    if (found.has(name) || !existsSync(join(packageRoot, folderOf))) continue;
    found.add(name);
    dependenciesOf(folderOf, found);
  }
  return [...found];
}

beforeAll(() => {
  packed = pack(folder, { prebuild: true });
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));

  // The dependencies are packed from this checkout, and npm's cache is empty. So the installation
  // needs no network.
  mkdirSync(app);
  const names = dependenciesOf('.');
  const reports = npm(
    [
      'pack',
      '--json',
      '--silent',
      '--ignore-scripts',
      '--pack-destination',
      folder,
      ...names.map((name) => `./node_modules/${name}`),
    ],
    {
      cwd: packageRoot,
    },
  );
  const tarballs = JSON.parse(reports) as { name: string; filename: string }[];
  const overrides = Object.fromEntries(
    tarballs.map(({ name, filename }) => [name, `file:${join(folder, filename)}`]),
  );
  writeFileSync(
    join(app, 'package.json'),
    JSON.stringify({ name: 'app', private: true, overrides }),
  );
  npm(['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', packed.tarball], {
    cwd: app,
    env: { ...process.env, PATH: bin, npm_config_cache: join(folder, 'cache') },
  });
}, 180_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('the package', () => {
  const installed = join(app, 'node_modules', 'sockscope');
  const platform = `${process.platform}-${process.arch}`;

  it("has this platform's binary, and exactly the expected files", () => {
    const binaries = packed.files.filter((file) => file.startsWith('prebuilds/'));
    expect(binaries).toHaveLength(1);
    expect(dirname(binaries[0] ?? '')).toBe(`prebuilds/${platform}`);
    expect(packed.files.filter((file) => !binaries.includes(file))).toEqual(expectedFiles());
    // A path of the machine that built it would differ from machine to machine.
    const binary = readFileSync(join(installed, binaries[0] ?? ''), 'latin1');
    for (const place of [folder, packageRoot, homedir()])
      expect(place.length > 1 && binary.includes(place), place).toBe(false);
  });

  it.runIf(process.platform === 'linux')(
    'has a binary for any libc: it names no library, and no version of a symbol',
    async () => {
      const { code, stdout } = await run('readelf', {
        args: [
          '--wide',
          '--dynamic',
          '--version-info',
          join(installed, 'prebuilds', platform, 'sockscope.node'),
        ],
      });
      expect(code).toBe(0);
      expect(stdout).toContain('STRTAB');
      expect(stdout).not.toMatch(/NEEDED|GLIBC/);
    },
  );

  it('is installed without running a script', () => {
    expect(readdirSync(installed)).not.toContain('build');
  });

  it('sends bytes when required and when imported, without a compiler', async () => {
    const body = `
      const [a, b] = Socket.pair();
      const buffer = Buffer.alloc(5);
      const sent = a.send(Buffer.from('hello'));
      const received = b.recv(buffer);
      a.close();
      b.close();
      console.log(JSON.stringify([sent, received, buffer.toString()]));`;
    expect(await answer(`const { Socket } = require('sockscope');${body}`, 'cjs')).toEqual([
      5,
      5,
      'hello',
    ]);
    expect(await answer(`import { Socket } from 'sockscope';${body}`, 'mjs')).toEqual([
      5,
      5,
      'hello',
    ]);
  });

  it('gives the same exports to require and to import', async () => {
    const source = `
      import { createRequire } from 'node:module';
      const require = createRequire(import.meta.url);
      const different = [];
      for (const entry of ['sockscope', 'sockscope/conformance', 'sockscope/testing']) {
        const imported = await import(entry), required = require(entry);
        const names = new Set([...Object.keys(imported), ...Object.keys(required)]);
        for (const name of names)
          if (imported[name] === undefined || imported[name] !== required[name]) different.push(name);
        if (names.size === 0) different.push(entry);
      }
      console.log(JSON.stringify(different));`;
    expect(await answer(source, 'mjs')).toEqual([]);
  });

  it('has types for both kinds of module, in strict mode', { timeout: 90_000 }, async () => {
    const use = `
      import { CancelledError, newBuiltinBackend, Socket, type AsyncBackend } from 'sockscope';
      import { testBackend, type ConformanceSubject } from 'sockscope/conformance';
      import * as testing from 'sockscope/testing';
      const backend: AsyncBackend = newBuiltinBackend('native');
      const socket: Socket = Socket.create(1, 1);
      export const read: number | null = socket.recv(new Uint8Array(1));
      export const error: Error & { code: 'ABORT_ERR' } = new CancelledError();
      // @ts-expect-error There is no such backend.
      newBuiltinBackend('other');
      export const subject: ConformanceSubject = { name: 'mine', constants: {}, newBackend: () => backend };
      export { backend, testBackend, testing };`;
    writeFileSync(join(app, 'esm.mts'), use);
    writeFileSync(join(app, 'commonjs.cts'), use);
    mkdirSync(join(app, 'node_modules', '@types'));
    symlinkSync(
      join(packageRoot, 'node_modules', '@types', 'node'),
      join(app, 'node_modules', '@types', 'node'),
    );
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2022',
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      types: ['node'],
    };
    writeFileSync(
      join(app, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['esm.mts', 'commonjs.cts'] }),
    );
    const { code, stdout } = await node(
      [join(packageRoot, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', app],
      { timeout: 80_000 },
    );
    expect(stdout).toBe('');
    expect(code).toBe(0);
  });

  it('installs a command that starts', async () => {
    const command = join(app, 'node_modules', '.bin', 'sockscope');
    const { code, stdout, stderr } = await node([command, 'info']);
    expect(stderr).toBe('');
    expect(stdout).toContain(join('prebuilds', platform));
    expect(code).toBe(0);
  });

  it('imports without a binary, and names the files looked for when one is needed', async () => {
    const bare = join(folder, 'bare', 'node_modules');
    cpSync(join(app, 'node_modules'), bare, { recursive: true });
    rmSync(join(bare, 'sockscope', 'prebuilds'), { recursive: true });
    const source = `
      const sockscope = require('sockscope');
      const messages = [];
      const { newBuiltinBackend, Socket } = sockscope;
      for (const use of [() => newBuiltinBackend('native'), () => Socket.pair()]) {
        try { use(); } catch (error) { messages.push(error.message); }
      }
      console.log(JSON.stringify(messages));`;
    const { stdout, stderr } = await node(['-e', source], { cwd: dirname(bare) });
    expect(stderr).toBe('');
    const messages = JSON.parse(stdout) as string[];
    expect(messages).toHaveLength(2);
    for (const message of messages) {
      expect(message).toContain(platform);
      expect(message).toContain(join(bare, 'sockscope'));
    }
  });

  it('compiles the addon on install where no binary fits', { timeout: 180_000 }, async () => {
    const source = join(folder, 'compiled', 'node_modules');
    cpSync(join(app, 'node_modules'), source, { recursive: true });
    const target = join(source, 'sockscope');
    rmSync(join(target, 'prebuilds'), { recursive: true });
    // npm puts its node-gyp on the PATH of install scripts. Here, this checkout's node-gyp is used.
    symlinkSync(join(packageRoot, 'node_modules', 'node-gyp'), join(source, 'node-gyp'));
    npm(['run', 'install'], { cwd: target });
    expect(existsSync(join(target, 'build', 'Release'))).toBe(true);
    const { stdout, stderr } = await node(['-p', "require('sockscope').Socket.pair().length"], {
      cwd: dirname(source),
    });
    expect(stderr).toBe('');
    expect(stdout.trim()).toBe('2');
  });
});

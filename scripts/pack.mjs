// Packs the package as a release does, in a temporary copy of the checkout. So the checkout is not
// changed, and the results of an earlier build do not get into the package.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, realpathSync, symlinkSync } from 'node:fs';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '..');

const built = /^(\.git|node_modules|dist|build|build-.*|prebuilds|coverage|.*\.tgz)$/;

/**
 * The script of npm: the npm that runs this process, else the npm installed with this Node.js, else
 * the npm on PATH.
 */
function npmProgram() {
  const besideNode = path.join(
    realpathSync(process.execPath),
    '..',
    '..',
    'lib',
    'node_modules',
    'npm',
    'bin',
    'npm-cli.js',
  );
  const onPath = (process.env.PATH ?? '')
    .split(path.delimiter)
    .map((folder) => path.join(folder, 'npm'));
  const found = [process.env.npm_execpath, besideNode, ...onPath].find(
    (file) => file !== undefined && existsSync(file),
  );
  if (found === undefined)
    throw new Error('npm was found neither beside node nor on PATH: install npm');
  // Under npx, npm_execpath names npx-cli.js, which lies beside npm-cli.js.
  return realpathSync(found).replace(/npx-cli\.js$/, 'npm-cli.js');
}

/**
 * Runs npm to its end.
 * @param {readonly string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv }} options
 * @returns {string} What npm printed on stdout.
 * @throws {Error} If npm fails. The message holds all of its output.
 */
export function npm(args, options) {
  const { status, error, stdout, stderr } = spawnSync(process.execPath, [npmProgram(), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    ...options,
  });
  if (error !== undefined) throw error;
  if (status !== 0)
    throw new Error(`npm ${args.join(' ')} failed in ${options.cwd}:\n${stdout}\n${stderr}`);
  return stdout;
}

/**
 * @param {string} folder An empty folder for the copy and the tarball.
 * @param {{ prebuild: boolean }} options `prebuild` adds this platform's binary, compiled by the
 *   script `prebuild`.
 * @returns {{ tarball: string, files: string[] }}
 */
export function pack(folder, { prebuild }) {
  const copy = path.join(folder, 'checkout');
  mkdirSync(copy);
  for (const name of readdirSync(root)) {
    if (built.test(name)) continue;
    // bench/ has node_modules too.
    cpSync(path.join(root, name), path.join(copy, name), {
      recursive: true,
      filter: (source) => path.basename(source) !== 'node_modules',
    });
  }
  symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
  if (prebuild) npm(['run', 'prebuild'], { cwd: copy });
  const [report] = JSON.parse(
    npm(['pack', '--json', '--silent', '--pack-destination', folder], { cwd: copy }),
  );
  return {
    tarball: path.join(folder, report.filename),
    files: report.files.map((/** @type {{ path: string }} */ file) => file.path).sort(),
  };
}

/**
 * The files of the package without the binaries: the sources for compiling on install, and for each
 * file of lib/ its JavaScript and its types.
 */
export function expectedFiles() {
  const modules = readdirSync(path.join(root, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `dist/${file.replaceAll(path.sep, '/').slice(0, -'.ts'.length)}`);
  return [
    ...[
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'binding.gyp',
      'package.json',
      'scripts/gyp.cjs',
      'scripts/native-paths.cjs',
    ],
    ...readdirSync(path.join(root, 'native')).map((file) => `native/${file}`),
    ...modules.flatMap((module) => [`${module}.js`, `${module}.d.ts`]),
    ...['dist/index', 'dist/conformance/index', 'dist/testing/index'].flatMap((module) => [
      `${module}.mjs`,
      `${module}.d.mts`,
    ]),
  ].sort();
}

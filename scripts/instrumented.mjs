// What the scripts of the sanitizers and of coverage share: an addon that is built in another way
// than for users, and runs of its tests.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
const compiler = process.env.CXX ?? 'g++';

/**
 * Runs a program in the package root, and returns its status.
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
export function run(command, args, env = process.env) {
  const { status, error } = spawnSync(command, args, { cwd: root, env, stdio: 'inherit' });
  if (error !== undefined) throw error;
  return status ?? 1;
}

/**
 * Returns the full path of a runtime library of the compiler. Ends the process if there is none.
 * @param {string} name
 */
export function runtimeLibrary(name) {
  const { stdout } = spawnSync(compiler, [`-print-file-name=${name}`], { encoding: 'utf8' });
  const file = stdout?.trim() ?? '';
  if (!path.isAbsolute(file) || !existsSync(file)) {
    console.error(`${compiler} has no ${name}: install the sanitizer libraries of the compiler.`);
    process.exit(1);
  }
  return file;
}

/**
 * Builds the addon with an option of CMakeLists.txt into a folder of the package root. Returns the
 * folder's path, for SOCKSCOPE_PREBUILD. Ends the process if that fails.
 * @param {string} folder
 * @param {string} option such as `SOCKSCOPE_SANITIZE=thread`
 */
export function buildWith(folder, option) {
  if (process.platform !== 'linux') {
    console.error(`This needs Linux, and the platform is ${process.platform}.`);
    process.exit(1);
  }
  const build = path.join(root, folder);
  const configure = [
    ...['-S', '.', '-B', build],
    `-DCMAKE_CXX_COMPILER=${compiler}`,
    `-D${option}`,
    // node-gyp-build looks there, below the folder in SOCKSCOPE_PREBUILD.
    `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${path.join(build, 'build', 'Release')}`,
  ];
  const status = run('cmake', configure) || run('cmake', ['--build', build, '--parallel', '2']);
  if (status !== 0) process.exit(status);
  return build;
}

/**
 * Runs vitest, and returns its status.
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
export function runTests(args, env) {
  const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs');
  return run(process.execPath, [vitest, 'run', ...args], { ...process.env, ...env });
}

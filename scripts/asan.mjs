// Builds the addon with AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer, and runs
// its tests on that build: `npm run test:asan`. Arguments go to vitest (a file, `-t name`). Without
// arguments, the native tests and those of the native processes run.
//
// Node itself is not instrumented. The runtime library of the sanitizers is preloaded into Node and
// into every child process.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const build = path.join(root, 'build-asan');
const compiler = process.env.CXX ?? 'g++';

/**
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
function run(command, args, env = process.env) {
  const { status, error } = spawnSync(command, args, { cwd: root, env, stdio: 'inherit' });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/**
 * Returns the full path of a runtime library of the compiler.
 * @param {string} name
 */
function runtime(name) {
  const { stdout } = spawnSync(compiler, [`-print-file-name=${name}`], { encoding: 'utf8' });
  const file = stdout?.trim() ?? '';
  if (!path.isAbsolute(file) || !existsSync(file)) {
    console.error(`${compiler} has no ${name}: install the sanitizer libraries of the compiler.`);
    process.exit(1);
  }
  return file;
}

if (process.platform !== 'linux') {
  console.error(`npm run test:asan needs Linux, and this is ${process.platform}.`);
  process.exit(1);
}

run('cmake', [
  ...['-S', '.', '-B', build],
  `-DCMAKE_CXX_COMPILER=${compiler}`,
  '-DSOCKSCOPE_SANITIZE=address,undefined',
  // node-gyp-build looks there, below the folder in SOCKSCOPE_PREBUILD.
  `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${path.join(build, 'build', 'Release')}`,
]);
run('cmake', ['--build', build, '--parallel', '2']);

/**
 * The folder of the real python3. The one on PATH may be a script that starts it, and every program
 * of such a script would load the sanitizer.
 */
function pythonFolder() {
  const { stdout } = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], {
    encoding: 'utf8',
  });
  return path.dirname(stdout?.trim() ?? '');
}

const tests = process.argv.slice(2);
run(
  process.execPath,
  [
    path.join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    // The sanitizers slow everything down.
    '--testTimeout=120000',
    // The addon's own tests. Tests that run other programs (network namespaces, examples) would
    // preload the sanitizer into those.
    ...(tests.length > 0
      ? tests
      : [
          'test/native',
          'test/long/native-calls.test.ts',
          ...['teardown', 'resolver', 'loading', 'limits'].map(
            (name) => `test/process/native-${name}`,
          ),
        ]),
  ],
  {
    ...process.env,
    PATH: [pythonFolder(), process.env.PATH].join(path.delimiter),
    SOCKSCOPE_PREBUILD: build,
    LD_PRELOAD: runtime('libasan.so'),
    // A report ends the process with a status that no test expects.
    ASAN_OPTIONS: 'detect_leaks=1:exitcode=99:abort_on_error=0',
    UBSAN_OPTIONS: 'print_stacktrace=1:exitcode=99',
    LSAN_OPTIONS: `suppressions=${path.join(root, 'scripts', 'lsan.supp')}:print_suppressions=0`,
  },
);

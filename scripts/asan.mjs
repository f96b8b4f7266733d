// Builds the addon with AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer, and runs
// its tests on that build: `npm run test:asan`. Arguments go to vitest (a file, `-t name`). Without
// arguments, the native tests and those of the native processes run.
//
// Node itself is not instrumented. The runtime library of the sanitizers is preloaded into Node and
// into every child process.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildWith, runTests, runtimeLibrary } from './instrumented.mjs';

const build = buildWith('build-asan', 'SOCKSCOPE_SANITIZE=address,undefined');

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
const status = runTests(
  [
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
    PATH: [pythonFolder(), process.env.PATH].join(path.delimiter),
    SOCKSCOPE_PREBUILD: build,
    LD_PRELOAD: runtimeLibrary('libasan.so'),
    // A report ends the process with a status that no test expects.
    ASAN_OPTIONS: 'detect_leaks=1:exitcode=99:abort_on_error=0',
    UBSAN_OPTIONS: 'print_stacktrace=1:exitcode=99',
    LSAN_OPTIONS: `suppressions=${fileURLToPath(new URL('lsan.supp', import.meta.url))}:print_suppressions=0`,
  },
);
process.exit(status);

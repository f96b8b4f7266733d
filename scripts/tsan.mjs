// Builds the addon with ThreadSanitizer, and runs the tests of its threads on that build: `npm run
// test:tsan`. Arguments go to vitest (a file, `-t name`). Without arguments, the tests of the
// resolver, of workers and of their ends run.
//
// Node itself is not instrumented. The runtime library of the sanitizer is preloaded into Node: it
// sees the memory accesses of the addon, and the locks, threads, allocations and system calls of
// both. It reports races within Node, too, since it does not see all of what Node
// synchronizes by. So reports go to files, and those count in which one of the two accesses is the
// addon's own.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildWith, runTests, runtimeLibrary } from './instrumented.mjs';

const build = buildWith('build-tsan', 'SOCKSCOPE_SANITIZE=thread');

const folder = mkdtempSync(path.join(tmpdir(), 'sockscope-tsan-'));
const tests = process.argv.slice(2);
const status = runTests(
  [
    ...['--project', 'default', '--testTimeout=300000'],
    ...(tests.length > 0
      ? tests
      : [
          'test/native/resolver.test.ts',
          'test/process/native-resolver.test.ts',
          'test/process/socket-workers.test.ts',
          'test/long/worker-life-cycle.test.ts',
        ]),
  ],
  {
    SOCKSCOPE_PREBUILD: build,
    LD_PRELOAD: runtimeLibrary('libtsan.so'),
    // The tests compare statuses and outputs, so a report changes neither. Signals: Node handles
    // them in ways that the sanitizer takes for unsafe.
    TSAN_OPTIONS: [
      `log_path=${path.join(folder, 'report')}`,
      'exitcode=0',
      'atexit_sleep_ms=0',
      'report_signal_unsafe=0',
      'report_thread_leaks=0',
      'history_size=4',
    ].join(' '),
  },
);

/**
 * The reports in which the addon itself makes one of the accesses. Each access has a stack: its
 * innermost frames may be those of the sanitizer's own functions.
 * @param {string} text
 */
function ownReports(text) {
  return text
    .split(/^={18}$/m)
    .filter((report) => report.includes('WARNING: ThreadSanitizer'))
    .filter((report) =>
      report.split(/\n\s*\n/).some((stack) => {
        if (!/^\s*(Atomic |Previous |Write|Read|Cycle|Mutex .* acquired)/im.test(stack))
          return false;
        const frames = stack.split('\n').filter((line) => /^\s+#\d+ /.test(line));
        const first = frames.find((frame) => !frame.includes('libtsan.so'));
        return first?.includes('sockscope.node') === true;
      }),
    );
}

const reports = readdirSync(folder).flatMap((file) =>
  ownReports(readFileSync(path.join(folder, file), 'utf8')),
);
rmSync(folder, { recursive: true });
for (const report of reports.slice(0, 20)) console.error(report);
console.log(`ThreadSanitizer: ${String(reports.length)} reports about the addon`);
process.exit(reports.length > 0 ? 1 : status);

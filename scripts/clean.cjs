'use strict';
// Removes everything that was built (`npm run clean`), or only the folders named as arguments.
const { readdirSync, rmSync } = require('node:fs');
const path = require('node:path');

const root = path.resolve(__dirname, '..');
const names = process.argv.slice(2);
for (const name of readdirSync(root)) {
  const built = /^(dist|build|build-.*|prebuilds|coverage|.*\.tgz)$/.test(name);
  if (built && (names.length === 0 || names.includes(name)))
    rmSync(path.join(root, name), { recursive: true, force: true });
}

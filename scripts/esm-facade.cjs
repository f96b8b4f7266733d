'use strict';
// Writes the ES module entry points beside the compiled CommonJS ones. `npm run compile:ts` runs it
// after tsc.
//
// There is one implementation with one state. The ES module re-exports it by name, so `import` and
// `require` give the same classes, and `instanceof` works across both.
const { writeFileSync } = require('node:fs');
const path = require('node:path');

const root = path.resolve(__dirname, '..');

// The names come from the compiled modules themselves. Importing a module must not load the addon,
// because a platform without a binary still uses everything that needs none. If an import loads it,
// the build stops here.
process.dlopen = (_module, file) => {
  throw new Error(
    `importing the package loads the addon (${file}); load it at the first call that needs it`,
  );
};

for (const entry of Object.values(require('../package.json').exports)) {
  if (typeof entry === 'string') continue;
  const commonjs = path.join(root, entry.require.default);
  const names = Object.keys(require(commonjs)).sort();
  if (names.length === 0 || names.includes('default'))
    throw new Error(
      `${entry.require.default}: expected named exports and no default, got ${names.join(', ')}`,
    );
  const from = `'./${path.basename(commonjs)}'`;
  const list = names.map((name) => `  ${name},\n`).join('');
  writeFileSync(
    path.join(root, entry.import.default),
    `import commonjs from ${from};\n\nexport const {\n${list}} = commonjs;\n`,
  );
  writeFileSync(path.join(root, entry.import.types), `export * from ${from};\n`);
}

'use strict';
// Writes the ES module entry points beside the compiled CommonJS ones, after tsc: `npm run
// compile:ts`.
//
// There is one implementation and one state. An ES module that re-exports it by name gives `import`
// and `require` the same classes, so that an error made for one is an `instanceof` the other's
// class.
const { writeFileSync } = require('node:fs');
const path = require('node:path');

const root = path.resolve(__dirname, '..');

// The names are read from the built modules themselves. Importing them must not load the addon: a
// platform without a binary still has everything that needs none. A load that happens here is a
// mistake in the code, and stops the build.
process.dlopen = (_module, file) => {
  throw new Error(
    `importing the package loads the addon (${file}): it must wait for the first call that needs it`,
  );
};

for (const entry of Object.values(require('../package.json').exports)) {
  if (typeof entry === 'string') continue;
  const commonjs = path.join(root, entry.require.default);
  const names = Object.keys(require(commonjs)).sort();
  if (names.length === 0 || names.includes('default'))
    throw new Error(`${entry.require.default}: expected named exports and no default`);
  const from = `'./${path.basename(commonjs)}'`;
  writeFileSync(
    path.join(root, entry.import.default),
    `import commonjs from ${from};\n\nexport const {\n${names.map((name) => `  ${name},\n`).join('')}} = commonjs;\n`,
  );
  writeFileSync(path.join(root, entry.import.types), `export * from ${from};\n`);
}

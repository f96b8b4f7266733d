'use strict';
// Where the headers are that the addon is compiled with. For the build files: `node
// scripts/native-paths.cjs <node|uv|addon-api>` prints a folder.

const { existsSync, realpathSync } = require('node:fs');
const { join, resolve } = require('node:path');

/** The folder above `include/node` of the running Node, if its headers were installed with it. */
function nodePrefix() {
  const prefix = resolve(realpathSync(process.execPath), '..', '..');
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? prefix : undefined;
}

/** Candidates, best first: what the environment says, this Node's own, then a Node source tree. */
function includeFolders() {
  return [process.env.npm_config_nodedir, nodePrefix()]
    .filter((root) => root !== undefined && root !== '')
    .flatMap((root) => [
      join(root, 'include', 'node'),
      join(root, 'src'),
      join(root, 'deps', 'uv', 'include'),
    ]);
}

/** The include folder of an installed package of headers, if it is installed. */
function packageHeaders(name) {
  try {
    return require(name).include_dir;
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/**
 * For each kind of headers: the file that marks its folder, and the folders to look in, best first.
 * node-api-headers serves where the running Node came without headers.
 */
const kinds = {
  node: {
    header: 'node_api.h',
    folders: () => [...includeFolders(), packageHeaders('node-api-headers')],
  },
  uv: { header: 'uv.h', folders: () => [process.env.UV_INCLUDE_DIR, ...includeFolders()] },
  'addon-api': { header: 'napi.h', folders: () => [packageHeaders('node-addon-api')] },
};

/** @param {string} kind One of `kinds`. */
function headerFolder(kind) {
  const { header, folders } = kinds[kind];
  return folders().find((folder) => folder !== undefined && existsSync(join(folder, header)));
}

module.exports = { nodePrefix, headerFolder };

if (require.main === module) {
  const kind = process.argv[2] ?? '';
  if (!Object.hasOwn(kinds, kind)) {
    console.error(`usage: node scripts/native-paths.cjs <${Object.keys(kinds).join('|')}>`);
    process.exit(2);
  }
  const folder = headerFolder(kind);
  if (folder === undefined) {
    const remedy =
      kind === 'addon-api'
        ? 'install the package node-addon-api'
        : 'install Node with its include folder, or set npm_config_nodedir to a folder that has one';
    console.error(`No headers for "${kind}": ${remedy}.`);
    process.exit(1);
  }
  process.stdout.write(folder.replaceAll('\\', '/'));
}

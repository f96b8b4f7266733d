'use strict';
// Where the headers are that the addon is compiled with: `node scripts/native-paths.cjs <node|uv>`
// prints a folder, for CMake.

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

/** node-api-headers has node_api.h, and serves where the running Node came without headers. */
function nodeApiHeaders() {
  try {
    return require('node-api-headers').include_dir;
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** @param {'node' | 'uv'} what */
function headerFolder(what) {
  const header = what === 'node' ? 'node_api.h' : 'uv.h';
  const special = what === 'node' ? [] : [process.env.UV_INCLUDE_DIR];
  const last = what === 'node' ? [nodeApiHeaders()] : [];
  return [...special, ...includeFolders(), ...last].find(
    (folder) => folder !== undefined && existsSync(join(folder, header)),
  );
}

module.exports = { nodePrefix, headerFolder };

if (require.main === module) {
  const what = process.argv[2];
  const folder = what === 'node' || what === 'uv' ? headerFolder(what) : undefined;
  if (folder === undefined) {
    console.error(
      `no headers for "${String(what)}": install Node with its include folder, or set npm_config_nodedir to one that has it`,
    );
    process.exit(1);
  }
  process.stdout.write(folder.replaceAll('\\', '/'));
}

'use strict';
// node scripts/gyp.cjs <node-gyp|node-gyp-build|prebuildify> ...: runs the tool with the headers
// that lie beside this Node, if any do. Without that, node-gyp would download them. An environment
// that names others (npm_config_nodedir) wins.

const { spawnSync } = require('node:child_process');
const { dirname, join } = require('node:path');
const { nodePrefix } = require('./native-paths.cjs');

const [tool, ...rest] = process.argv.slice(2);
if (!['node-gyp', 'node-gyp-build', 'prebuildify'].includes(tool)) {
  console.error('usage: node scripts/gyp.cjs <node-gyp|node-gyp-build|prebuildify> [arguments]');
  process.exit(2);
}

const manifest = require.resolve(`${tool}/package.json`);
const { bin } = require(manifest);
const script = join(dirname(manifest), typeof bin === 'string' ? bin : bin[tool]);

const env = { ...process.env };
const prefix = nodePrefix();
if (env.npm_config_nodedir === undefined && prefix !== undefined) env.npm_config_nodedir = prefix;
// node-gyp and prebuildify start `node` by name, also where only its full path was known.
env.PATH = [dirname(process.execPath), env.PATH ?? '/usr/local/bin:/usr/bin:/bin'].join(':');

const result = spawnSync(process.execPath, [script, ...rest], { stdio: 'inherit', env });
if (result.error !== undefined) throw result.error;
process.exit(result.status ?? 1);

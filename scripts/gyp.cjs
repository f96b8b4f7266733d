'use strict';
// node scripts/gyp.cjs [--quiet] <node-gyp|node-gyp-build|prebuildify> [arguments]
//
// Runs the tool with the headers that are installed beside this Node.js, if there are any: without
// them, node-gyp downloads headers. The variable npm_config_nodedir, where it is set, wins.
//
// --quiet prints nothing if the tool succeeds, and all of its output, on stderr, if it fails. With
// --verbose (`npm run compile --verbose`) the output appears as it comes.

const { spawn } = require('node:child_process');
const { dirname, join } = require('node:path');
const { nodePrefix } = require('./native-paths.cjs');

const args = process.argv.slice(2);
const isQuietAsked = args[0] === '--quiet';
const [tool, ...rest] = isQuietAsked ? args.slice(1) : args;
if (!['node-gyp', 'node-gyp-build', 'prebuildify'].includes(tool)) {
  console.error(
    'usage: node scripts/gyp.cjs [--quiet] <node-gyp|node-gyp-build|prebuildify> [arguments]',
  );
  process.exit(2);
}

const manifest = require.resolve(`${tool}/package.json`);
const { bin } = require(manifest);
const script = join(dirname(manifest), typeof bin === 'string' ? bin : bin[tool]);

const env = { ...process.env };
const prefix = nodePrefix();
if (env.npm_config_nodedir === undefined && prefix !== undefined) env.npm_config_nodedir = prefix;
// node-gyp and prebuildify look for `node` on PATH, which may lack the Node.js that runs here.
env.PATH = [dirname(process.execPath), env.PATH ?? '/usr/local/bin:/usr/bin:/bin'].join(':');

const isVerbose =
  rest.includes('--verbose') || ['verbose', 'silly'].includes(env.npm_config_loglevel);
const isQuiet = isQuietAsked && !isVerbose;
// `npm run --silent` sets this variable, and node-gyp would then leave out why it failed.
if (isQuiet) env.npm_config_loglevel = 'info';

const child = spawn(process.execPath, [script, ...rest], {
  stdio: isQuiet ? ['ignore', 'pipe', 'pipe'] : 'inherit',
  env,
});
const output = [];
for (const stream of [child.stdout, child.stderr])
  stream?.on('data', (/** @type {Buffer} */ chunk) => output.push(chunk));
child.once('close', (code) => {
  if (code !== 0) process.stderr.write(Buffer.concat(output));
  process.exitCode = code ?? 1;
});

// Compiles the programs in C++ when they are first needed, and again when they have changed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { cacheFolder } from '../opponents/index.mjs';

const compiler = process.env.CXX ?? 'c++';
const flags = ['-std=c++17', '-O2', '-Wall', '-Wextra'];

/**
 * @param {string} name The name of the program.
 * @param {readonly string[]} sources
 * @param {readonly string[]} [libraries] Such as `-luv`.
 * @returns {string} Its path.
 * @throws {Error} With the output of the compiler.
 */
function compile(name, sources, libraries = []) {
  const hash = createHash('sha256').update([compiler, ...flags, ...libraries].join(' '));
  const headers = readdirSync(path.dirname(sources[0])).filter((file) => file.endsWith('.h'));
  for (const file of [
    ...sources,
    ...headers.map((header) => path.join(path.dirname(sources[0]), header)),
  ])
    hash.update(readFileSync(file));
  const program = path.join(cacheFolder(), `${name}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(program)) return program;
  // Under another name first: two runs may compile at once.
  const made = `${program}.${String(process.pid)}`;
  const { status, error, stderr } = spawnSync(
    compiler,
    [...flags, ...sources, '-o', made, ...libraries],
    { encoding: 'utf8' },
  );
  if (error !== undefined) throw new Error(`no C++ compiler (${compiler}): ${error.message}`);
  if (status !== 0) throw new Error(`${compiler} could not compile ${name}:\n${stderr.trim()}`);
  renameSync(made, program);
  return program;
}

/** The load generator. */
export function compileLoadGenerator() {
  const folder = path.join(import.meta.dirname, 'loadgen');
  const sources = readdirSync(folder).filter((file) => file.endsWith('.cc'));
  return compile(
    'loadgen',
    sources.sort().map((file) => path.join(folder, file)),
  );
}

/** The server on libuv alone. */
export function compileLibuvServer() {
  return compile('libuv-server', [path.join(import.meta.dirname, 'servers', 'libuv.cc')], ['-luv']);
}

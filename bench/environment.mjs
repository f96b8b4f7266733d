// Describes the machine and the versions that a result was measured with.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { root } from '../scripts/pack.mjs';
import { opponentFile } from './opponents/index.mjs';

/** @param {string} program @param {string[]} args @param {string} [cwd] */
function output(program, args, cwd = root) {
  const { status, stdout } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    timeout: 20_000,
  });
  return status === 0 ? stdout.trim() : undefined;
}

/** @param {string} name Of an installed package. */
function packageVersion(name) {
  const file = opponentFile(path.join(name, 'package.json'));
  return file === undefined ? undefined : JSON.parse(readFileSync(file, 'utf8')).version;
}

/** @param {string} node */
function nodeVersions(node) {
  const text = output(node, ['-p', 'JSON.stringify(process.versions)']);
  if (text === undefined) throw new Error(`${node} does not run as Node.js`);
  const { node: version, v8, uv } = JSON.parse(text);
  return { version, v8, libuv: uv };
}

/**
 * The commit of a checkout, and whether the library differs from it.
 * @param {string} checkout
 * @returns {string | undefined} Undefined without git.
 */
export function commitOf(checkout) {
  const hash = output('git', ['rev-parse', '--short', 'HEAD'], checkout);
  if (hash === undefined) return undefined;
  const changes = output('git', ['status', '--porcelain', '--', 'lib', 'native'], checkout);
  return changes === '' ? hash : `${hash}, with changes`;
}

/** The algorithm that paces TCP, over loopback too. Only Linux reports it. */
function congestionControl() {
  const file = '/proc/sys/net/ipv4/tcp_congestion_control';
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}

/** The versions of the opponents that do not run on Node.js. */
function otherVersions() {
  const versions = {
    Bun: packageVersion('@oven/bun-linux-x64') ?? packageVersion('@oven/bun-linux-aarch64'),
    Deno: packageVersion('@deno/linux-x64-glibc') ?? packageVersion('@deno/linux-arm64-glibc'),
    'unix-dgram': packageVersion('unix-dgram'),
    uvloop: output('/usr/bin/python3', ['-c', 'import uvloop; print(uvloop.__version__)']),
    'libuv for C': output('pkg-config', ['--modversion', 'libuv']),
  };
  return Object.fromEntries(
    Object.entries(versions).filter(([, version]) => version !== undefined),
  );
}

/**
 * @param {string} node The Node.js that runs the servers.
 */
export function describeEnvironment(node) {
  const [processor] = os.cpus();
  return {
    date: new Date().toISOString(),
    sockscope: JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).version,
    commit: commitOf(root),
    node: nodeVersions(node),
    kernel: `${os.type()} ${os.release()}`,
    cpu: `${processor?.model.trim() ?? 'unknown'}, ${String(os.cpus().length)} cores`,
    memory: os.totalmem(),
    architecture: process.arch,
    congestionControl: congestionControl(),
    versions: otherVersions(),
  };
}

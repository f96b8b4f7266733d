// The opponents: the program and the settings of each, and a check that it can run here.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { isBase, ownName } from '../base.mjs';
import { cacheFolder, opponentFile } from '../opponents/index.mjs';
import { root } from '../../scripts/pack.mjs';
import { compileLibuvServer } from './compile.mjs';

/**
 * @typedef {object} Opponent
 * @property {string} label For tables and charts.
 * @property {(context: Context) => string[]} command Program and first arguments. Throws, with the
 *   reason, where it cannot run.
 * @property {Record<string, string>} [settings] Settings of the server, besides those of the case.
 */
/**
 * @typedef {object} Context
 * @property {string} node The Node.js that runs servers.
 * @property {boolean} streams Which of two programs is meant where one opponent has both.
 * @property {import('../base.mjs').Base} [base] The other build that runs, instead of this one.
 */

const server = (/** @type {string} */ file) => path.join(import.meta.dirname, 'servers', file);

/**
 * Runs a line of JavaScript, and throws `reason` if it fails.
 * @param {Context} context @param {string} script @param {string} reason
 */
function probe({ node, base }, script, reason) {
  const { status, stdout, stderr } = spawnSync(node, ['-e', script], {
    cwd: base?.folder ?? root,
    encoding: 'utf8',
    timeout: 20_000,
  });
  if (status === 0) return stdout.trim();
  const said = (stderr ?? '').split('\n').find((line) => /Error/.test(line));
  throw new Error(said === undefined ? reason : `${reason} (${said.trim().replaceAll(root, '.')})`);
}

/**
 * @param {string} stream @param {string} [datagram] The program for datagrams, if it is a different
 *   one.
 */
const onNode =
  (stream, datagram = stream) =>
  (/** @type {Context} */ { node, streams, base }) => {
    const file = server(streams ? stream : datagram);
    return [node, base?.program(file) ?? file];
  };

/** @param {string} name @param {ReturnType<typeof onNode>} [files] */
function onSockscope(name, files = onNode('sockscope-stream.mjs', 'sockscope-datagram.mjs')) {
  return (/** @type {Context} */ context) => {
    probe(
      context,
      `require('sockscope').newBuiltinBackend('${name}')`,
      `the ${name} backend does not load`,
    );
    return files(context);
  };
}

/** A server in threads that share a port. @param {Context} context */
function onReusePort(context) {
  const script = `require('sockscope')
    .newBuiltinBackend('node')
    .createTcpListeners('127.0.0.1', 0, { reusePort: true })
    .then(([listener]) => listener.aclose(), () => process.exit(1))`;
  probe(context, script, 'this Node.js has no reusePort in node:net (22.12 and 23.1 brought it)');
  return onNode('workers.mjs')(context);
}

/** @param {string[]} candidates Files of packages, for this processor and for others. */
function installedProgram(candidates) {
  const found = candidates.map(opponentFile).find((file) => file !== undefined);
  if (found === undefined)
    throw new Error('not installed: there is no package for this platform, or no network');
  return found;
}

/** @param {string} statement A statement that the interpreter has to run. @param {string} reason */
function python(statement, reason) {
  // Only Debian's own interpreter finds Debian's packages, and PATH may lead to another one.
  const found = ['python3', '/usr/bin/python3'].find(
    (program) => spawnSync(program, ['-c', statement]).status === 0,
  );
  if (found === undefined) throw new Error(reason);
  return [found, server('python.py')];
}

const uvloop = () =>
  python('import uvloop', 'no uvloop for Python: apt-get install python3-uvloop');

const bun = () => [
  installedProgram(['@oven/bun-linux-x64/bin/bun', '@oven/bun-linux-aarch64/bin/bun']),
  server('bun.mjs'),
];
const deno = () => [
  installedProgram(['@deno/linux-x64-glibc/deno', '@deno/linux-arm64-glibc/deno']),
  ...[
    'run',
    '--quiet',
    '--allow-all',
    '--unstable-net',
    '--no-config',
    '--no-lock',
    server('deno.mjs'),
  ],
];

function libuv() {
  try {
    return [compileLibuvServer()];
  } catch (error) {
    if (!/uv\.h|-luv/.test(String(error))) throw error;
    throw new Error('no libuv for C: apt-get install libuv1-dev', { cause: error });
  }
}

/** @param {Context} context */
function unixDgram(context) {
  const file = opponentFile('unix-dgram');
  if (file === undefined)
    throw new Error('not installed: it did not compile, or there is no network');
  probe(context, `require(${JSON.stringify(file)})`, 'it was compiled for another Node.js');
  return onNode('unix-dgram.mjs')(context);
}

/** @type {Record<string, Opponent>} */
export const opponents = {
  native: {
    label: 'sockscope native',
    command: onSockscope('native'),
    settings: { backend: 'native' },
  },
  'native-timeout': {
    label: 'sockscope native, timeout around each receive',
    command: onSockscope('native'),
    settings: { backend: 'native', timeout: '10000' },
  },
  'native-4': {
    label: 'sockscope native, 4 buffers',
    command: onSockscope('native'),
    settings: { backend: 'native', buffers: '4' },
  },
  'native-8': {
    label: 'sockscope native, 8 buffers',
    command: onSockscope('native'),
    settings: { backend: 'native', buffers: '8' },
  },
  'native-recv': {
    label: 'sockscope native, recv',
    command: onSockscope('native'),
    settings: { backend: 'native', recv: '1' },
  },
  'native-send': {
    label: 'sockscope native, one send each (no GSO)',
    command: onSockscope('native'),
    settings: { backend: 'native', send: 'one' },
  },
  node: { label: 'sockscope node', command: onSockscope('node'), settings: { backend: 'node' } },
  'node-timeout': {
    label: 'sockscope node, timeout around each receive',
    command: onSockscope('node'),
    settings: { backend: 'node', timeout: '10000' },
  },
  net: { label: 'node:net data→write', command: onNode('net.mjs') },
  'net-await': {
    label: 'node:net for await',
    command: onNode('net.mjs'),
    settings: { style: 'await' },
  },
  'net-onread': {
    label: 'node:net onread',
    command: onNode('net.mjs'),
    settings: { style: 'onread' },
  },
  'net-timeout': {
    label: 'node:net data→write, setTimeout',
    command: onNode('net.mjs'),
    settings: { timeout: '10000' },
  },
  dgram: { label: 'node:dgram', command: onNode('dgram.mjs') },
  'unix-dgram': { label: 'unix-dgram', command: unixDgram },
  bun: { label: 'Bun', command: bun },
  deno: { label: 'Deno', command: deno },
  libuv: { label: 'C on libuv', command: libuv },
  uvloop: { label: 'uvloop protocol', command: uvloop },
  'uvloop-streams': { label: 'uvloop streams', command: uvloop, settings: { style: 'streams' } },
  'uvloop-sockets': { label: 'uvloop sockets', command: uvloop, settings: { style: 'sockets' } },
  python: {
    label: 'Python socket',
    command: () => python('import socket', 'no python3: apt-get install python3'),
    settings: { style: 'plain' },
  },
  'native-reuseport': {
    label: 'sockscope native, reusePort',
    command: onSockscope('native', onNode('workers.mjs')),
    settings: { program: 'sockscope-stream.mjs', backend: 'native' },
  },
  'native-handover': {
    label: 'sockscope native, fd to a thread',
    command: onSockscope('native', onNode('sockscope-handover-threads.mjs')),
  },
  'node-reuseport': {
    label: 'sockscope node, reusePort',
    command: onReusePort,
    settings: { program: 'sockscope-stream.mjs', backend: 'node' },
  },
  'net-reuseport': {
    label: 'node:net data→write, reusePort',
    command: onReusePort,
    settings: { program: 'net.mjs' },
  },
  'native-fd': { label: 'sockscope native, SCM_RIGHTS', command: onNode('sockscope-handover.mjs') },
  'child-process': { label: 'child_process send(socket)', command: onNode('child-process.mjs') },
  cluster: { label: 'node:cluster', command: onNode('cluster.mjs') },
};

/** Whether an opponent is this library, in one of its variants. @param {string} name */
export const isOurs = (name) => /^(native|node)($|[-@])/.test(name);

/**
 * Opponents that neither npm nor Debian has. The report names them, so that readers do not look for
 * them.
 */
export const unobtainable = { EasyNetwork: 'only on PyPI; neither npm nor Debian has it' };

/**
 * The programs of the opponents that can run here, and the reasons why the others cannot.
 * @param {readonly string[]} names @param {string} node @param {import('../base.mjs').Base} [base]
 *   The other build, for the opponents with its mark.
 */
export function findOpponents(names, node, base) {
  cacheFolder();
  /**
   * @type {Record<string, { label: string, stream: string[], datagram: string[], settings:
   *   Record<string, string> }>}
   */
  const found = {};
  /** @type {Record<string, string>} */
  const missing = {};
  for (const name of names) {
    const { label, command, settings = {} } = opponents[ownName(name)];
    const context = { node, base: isBase(name) ? base : undefined };
    try {
      found[name] = {
        label: isBase(name) ? `${label}, base` : label,
        settings,
        stream: command({ ...context, streams: true }),
        datagram: command({ ...context, streams: false }),
      };
    } catch (error) {
      missing[name] = error instanceof Error ? error.message : String(error);
    }
  }
  return { found, missing };
}

// The addon's functions alone, which the package does not export: what stands below `Socket`.
import { createRequire } from 'node:module';
import path from 'node:path';

// Of the package that the name leads to from here: beside a copy of this file it is another build.
const require = createRequire(import.meta.url);
const manifest = require.resolve('sockscope/package.json');

/**
 * @type {import('../../dist/binding.js').NativeBinding & { reactorUse: (kind: string) => number }}
 */
export const native = open(createRequire(manifest)('node-gyp-build')(path.dirname(manifest)));

/**
 * A build of an earlier version exports the functions themselves.
 * @param {any} addon
 */
function open(addon) {
  return addon.open?.() ?? addon;
}

// As the package does it: the reactor is chosen before it is opened.
const reactor = process.env.SOCKSCOPE_REACTOR ?? '';
if (reactor !== '') ok(native.reactorUse(reactor));

/**
 * The result of a call that has to succeed.
 * @param {number} result
 */
export function ok(result) {
  if (result < 0) throw new Error(`a native call failed with ${result}`);
  return result;
}

/**
 * A connected pair of Unix sockets.
 * @returns {[number, number]}
 */
export function pair() {
  const { AF_UNIX, SOCK_STREAM } = native.constants;
  const fds = new Int32Array(2);
  ok(native.socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
  return [fds[0], fds[1]];
}

/**
 * The address of a TCP port of this machine, as the addon takes it.
 * @param {number} port
 */
export function loopback(port) {
  const bytes = new Uint8Array(native.limits.sockaddrMax);
  return { bytes, length: ok(native.encodeInet(bytes, '127.0.0.1', port, 0, 0)) };
}

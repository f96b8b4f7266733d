// The binding alone, which the package does not export: what stands below `Socket`.
import { createRequire } from 'node:module';

/** @type {typeof import('../../dist/binding.js')} */
const { nativeBinding } = createRequire(import.meta.url)('../../dist/binding.js');

export const native = nativeBinding();

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
 * The address of a TCP port of this machine, as the binding takes it.
 * @param {number} port
 */
export function loopback(port) {
  const bytes = new Uint8Array(native.limits.sockaddrMax);
  return { bytes, length: ok(native.encodeInet(bytes, '127.0.0.1', port, 0, 0)) };
}

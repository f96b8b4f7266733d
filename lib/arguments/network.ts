import type { UnixPath } from '../contract/addresses';
import { types } from 'node:util';
import { checkBytes } from './buffers';
import { checkInteger, decimal, invalidArgument } from './validate';

const MAX_INT = 0x7fffffff;
/** All permission bits of chmod(2), with set-user-ID, set-group-ID and the sticky bit. */
const MAX_MODE = 0o7777;

export function checkPort(name: string, port: unknown): void {
  checkInteger(name, port, 0, 65535);
}

/**
 * The port of a look-up: a number, the name of a service, or null. A text of decimal digits is the
 * number. Any other text that C or JavaScript would read as a number is neither.
 */
export function readService(name: string, port: unknown): number | string | null {
  if (port === null) return port;
  if (typeof port !== 'string') {
    if (typeof port !== 'number')
      throw invalidArgument(name, 'a number, a service name or null', port);
    checkPort(name, port);
    return port;
  }
  const number = decimal(port);
  if (!Number.isNaN(number)) {
    checkPort(name, number);
    return number;
  }
  if (port.includes('\0') || /^\s*(?:[-+]?\d+\s*)?$/.test(port) || !Number.isNaN(Number(port)))
    throw invalidArgument(name, 'a port in decimal digits, or the name of a service', port);
  return port;
}

/** A host to connect to, or the host of a local address. */
export function checkHost(name: string, host: unknown): void {
  if (typeof host !== 'string' || host === '' || host.includes('\0'))
    throw invalidArgument(name, 'a host name or address', host);
}

/**
 * The hosts to listen on, as a list. `null` and '' stand for every interface.
 * @throws TypeError for an empty list, and for a host that is neither a string nor null
 */
export function checkListenHosts(host: unknown): readonly (string | null)[] {
  const hosts = typeof host === 'string' || host === null ? [host] : host;
  if (!Array.isArray(hosts) || hosts.length === 0)
    throw invalidArgument('host', 'a host, an array of hosts, or null', host);
  for (const name of hosts as readonly unknown[]) {
    if (name !== null && (typeof name !== 'string' || name.includes('\0')))
      throw invalidArgument('host[]', 'a string without NUL bytes, or null', name);
  }
  return hosts as readonly (string | null)[];
}

/** How many connections may wait to be accepted. The kernel lowers it to net.core.somaxconn. */
export function checkBacklog(backlog: unknown): void {
  checkInteger('backlog', backlog, 1, MAX_INT);
}

/** The permissions of a socket file; undefined leaves them to the umask. */
export function checkMode(mode: unknown): void {
  if (mode !== undefined) checkInteger('mode', mode, 0, MAX_MODE);
}

/**
 * Checks the type, and that the bytes are there. How long a path may be, and which bytes, is for
 * the backend to say.
 */
export function checkUnixPath(name: string, path: unknown): asserts path is UnixPath {
  if (typeof path !== 'string' && !types.isUint8Array(path))
    throw invalidArgument(name, 'a string or a Uint8Array', path);
  // A path whose memory is gone must not become the empty one, which is an address, too.
  if (typeof path !== 'string') checkBytes(name, path);
}

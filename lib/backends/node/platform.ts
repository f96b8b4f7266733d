import { ADDRCONFIG } from 'node:dns';
import { UnsupportedOperationError } from '../../errors';
import type { NetworkConstants } from '../../networking/socket-driver';

/**
 * Facts about the platform that Node's modules do not have: numbers of C headers, and what net and
 * dgram of this runtime can do. (The public `constants` come from the addon, which may be missing
 * here.)
 */

const { platform } = process;
const isLinux = platform === 'linux' || platform === 'android';
export const isWindows = platform === 'win32';

export const AF_UNSPEC = 0;
export const AF_UNIX = 1;
export const AF_INET = 2;
const AF_INET6_OF: Partial<Record<NodeJS.Platform, number>> = {
  linux: 10,
  android: 10,
  darwin: 30,
  freebsd: 28,
  win32: 23,
  cygwin: 23,
  sunos: 26,
};
/** The BSDs and AIX use the number 24. */
export const AF_INET6 = AF_INET6_OF[platform] ?? 24;

/** Solaris and its relatives number these three in another order. */
export const SOCK_STREAM = platform === 'sunos' ? 2 : 1;
export const SOCK_DGRAM = platform === 'sunos' ? 1 : 2;
export const SOCK_RAW = platform === 'sunos' ? 4 : 3;

export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;

export const AI_PASSIVE = platform === 'sunos' ? 8 : platform === 'aix' ? 2 : 1;
export const AI_NUMERICHOST = platform === 'sunos' ? 32 : 4;
const AI_NUMERICSERV_OF: Partial<Record<NodeJS.Platform, number>> = {
  linux: 0x400,
  android: 8,
  darwin: 0x1000,
  openbsd: 16,
  sunos: 64,
};
export const AI_NUMERICSERV = AI_NUMERICSERV_OF[platform] ?? 8;

export const NI_NUMERICHOST = isLinux ? 1 : 2;
export const NI_NUMERICSERV = isLinux ? 2 : 8;
export const NI_NAMEREQD = isLinux ? 8 : 4;

/**
 * sizeof(sun_path): a path and its NUL, or an abstract name. On Windows it is the length of a
 * pipe's name.
 */
export const UNIX_PATH_BYTES = isLinux ? 108 : isWindows ? 256 : 104;

/** For messages that say which Node.js is needed. */
export const nodeVersion = process.versions.node;

const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);

/** `reusePort` of net and dgram came with 22.12 and 23.1; an older Node ignores the option. */
export const hasReusePort =
  major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);

/**
 * Abstract Unix names, which Linux alone has. Before Node 22, net cut a name at its first NUL,
 * which left nothing of an abstract name.
 */
export const hasAbstractNames = isLinux && major >= 22;

export const networkConstants: NetworkConstants = {
  AF_INET,
  AF_INET6,
  SOCK_STREAM,
  SOCK_DGRAM,
  AI_PASSIVE,
  AI_ADDRCONFIG: ADDRCONFIG,
};

/** What this backend cannot do, and the reason: which of Node's modules lacks what. */
export function unsupported(what: string, why: string): UnsupportedOperationError {
  return new UnsupportedOperationError(`The 'node' backend cannot do this: ${what}. ${why}`);
}

export function noUnixDatagrams(): UnsupportedOperationError {
  return unsupported('Unix datagrams', 'node:dgram is UDP alone');
}

/** Control messages: neither net nor dgram has recvmsg(2) or sendmsg(2). */
export async function noAncillary(method: string): Promise<never> {
  throw unsupported(
    `${method}()`,
    'node:net and node:dgram have no ancillary data support: no recvmsg(2) and no sendmsg(2)',
  );
}

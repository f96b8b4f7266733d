/**
 * What node: modules do not tell of the platform: numbers of C headers, and what this runtime's net
 * and dgram can do. (The public `constants` come from the addon, which may be missing here.)
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
/** 24 is the BSDs', and AIX'. */
export const AF_INET6 = AF_INET6_OF[platform] ?? 24;

/** Only Solaris and its kin count from the other end. */
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

/** For messages that tell which Node.js it would take. */
export const nodeVersion = process.versions.node;

const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);

/** `reusePort` of net and dgram came with 22.12 and 23.1; an older Node ignores the option. */
export const hasReusePort =
  major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);

/**
 * Linux' names without a file: before 22, net passed on only what came before the leading NUL,
 * which is nothing.
 */
export const hasAbstractNames = isLinux && major >= 22;

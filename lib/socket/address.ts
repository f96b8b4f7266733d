import { types } from 'node:util';
import { checkBytes } from '../arguments/buffers';
import { checkPort } from '../arguments/network';
import { checkInteger, invalidArgument, outOfRange } from '../arguments/validate';
import { nativeBinding } from '../binding';
import type { InetAddress, RawAddress, SocketAddress, UnixPath } from '../contract/addresses';
import { type SystemErrorTarget, systemError } from '../errors';

/** An encoded address: `length` bytes of `bytes`. */
export interface Sockaddr {
  readonly bytes: Uint8Array;
  readonly length: number;
}

const UTF8 = new TextEncoder();
/** The size of sa_family, and of the length byte before it on the BSDs. */
const FAMILY_BYTES = 2;
const fields = new Uint32Array(3);

/**
 * The sockaddr of an address. @throws TypeError or RangeError for a value that is no address;
 *   ENAMETOOLONG for a path that does not fit (no path is ever cut); ENOTSUP for an abstract name
 *   on a system other than Linux
 */
export function encodeAddress(address: SocketAddress, syscall: string): Sockaddr {
  const native = nativeBinding();
  if (typeof address === 'string' || types.isUint8Array(address))
    return encodeUnixPath(address, syscall);
  if (typeof address !== 'object' || (address as unknown) === null) {
    throw invalidArgument('address', 'an InetAddress, a Unix path or { sockaddr }', address);
  }
  if ('sockaddr' in address) return encodeRaw(address.sockaddr);
  const { address: text, port, family, flowinfo = 0, scopeId = 0 } = address;
  if (typeof text !== 'string') throw invalidArgument('address.address', 'a string', text);
  checkPort('address.port', port);
  // JavaScript code may leave the family out, since the text implies it. They must not disagree.
  if ((family as unknown) !== undefined && family !== (text.includes(':') ? 'IPv6' : 'IPv4')) {
    throw invalidArgument(
      'address.family',
      `'IPv4' or 'IPv6', as address.address ('${text}') is`,
      family,
    );
  }
  checkInteger('address.flowinfo', flowinfo, 0, 0xffffffff);
  checkInteger('address.scopeId', scopeId, 0, 0xffffffff);
  const bytes = new Uint8Array(native.limits.sockaddrMax);
  const length = native.encodeInet(bytes, text, port, flowinfo, scopeId);
  // The text is a host name, or empty, or has a zone behind a `%`.
  if (length < 0)
    throw invalidArgument(
      'address.address',
      'an IPv4 or IPv6 address in numeric form (a zone goes into scopeId)',
      text,
    );
  return { bytes, length };
}

function encodeUnixPath(path: UnixPath, syscall: string): Sockaddr {
  const native = nativeBinding();
  // The empty path is an address, too (the unnamed one). A detached array must not become that.
  if (typeof path !== 'string') checkBytes('path', path);
  const name = typeof path === 'string' ? UTF8.encode(path) : new Uint8Array(path);
  if (name.length > 0 && name[0] !== 0 && name.includes(0)) {
    throw invalidArgument(
      'path',
      'without NUL bytes, but for a leading one (an abstract name)',
      path,
    );
  }
  const bytes = new Uint8Array(native.limits.sockaddrMax);
  const length = native.encodeUnix(bytes, name);
  if (length < 0) throw systemError(length, syscall, { path: printable(path) });
  return { bytes, length };
}

function encodeRaw(sockaddr: unknown): Sockaddr {
  if (!types.isUint8Array(sockaddr))
    throw invalidArgument('address.sockaddr', 'a Uint8Array', sockaddr);
  checkBytes('address.sockaddr', sockaddr);
  // A copy, since the system call may have to wait.
  const bytes = new Uint8Array(sockaddr);
  const { sockaddrMax } = nativeBinding().limits;
  // A sockaddr has a family at least. sendmsg(2) would take a length of 0 for no address at all.
  if (bytes.length < FAMILY_BYTES || bytes.length > sockaddrMax) {
    throw outOfRange(
      'address.sockaddr.length',
      `at least ${String(FAMILY_BYTES)} and at most ${String(sockaddrMax)} bytes`,
      bytes.length,
    );
  }
  return { bytes, length: bytes.length };
}

/**
 * The address in the first `length` bytes. Null if there is none: recvmsg returns none for the peer
 * of a stream. The bytes may be reused afterwards.
 */
export function decodeAddress(
  bytes: Uint8Array,
  length: number,
): InetAddress | UnixPath | RawAddress | null {
  if (length === 0) return null;
  const native = nativeBinding();
  const family = native.sockaddrFamily(bytes, length);
  const { AF_INET, AF_INET6, AF_UNIX } = native.constants;
  if (family === AF_INET || family === AF_INET6) {
    const address = native.decodeInet(bytes, length, fields);
    if (typeof address === 'string') return inetAddress(address, family === AF_INET6);
  }
  if (family === AF_UNIX) return decodeUnixPath(bytes, length);
  return { sockaddr: bytes.slice(0, length) };
}

function inetAddress(address: string, isV6: boolean): InetAddress {
  const [port = 0, flowinfo = 0, scopeId = 0] = fields;
  if (!isV6) return { address, port, family: 'IPv4' };
  return {
    address,
    port,
    family: 'IPv6',
    ...(flowinfo === 0 ? {} : { flowinfo }),
    ...(scopeId === 0 ? {} : { scopeId }),
  };
}

/**
 * A path ends at its NUL byte. An abstract name ends with the sockaddr, and may contain NUL bytes
 * (unix(7)).
 */
function decodeUnixPath(bytes: Uint8Array, length: number): UnixPath {
  const start = nativeBinding().limits.unixPathOffset;
  if (length <= start) return '';
  let name = bytes.subarray(start, length);
  if (name[0] !== 0) {
    const end = name.indexOf(0);
    if (end >= 0) name = name.subarray(0, end);
  } else if (process.platform !== 'linux') {
    return ''; // other systems may return the unnamed address as zeroes
  }
  return textOrBytes(name);
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A string if the bytes are valid UTF-8, else the bytes. */
function textOrBytes(name: Uint8Array): UnixPath {
  try {
    return strictUtf8.decode(name);
  } catch (error) {
    if (error instanceof TypeError) return name.slice();
    throw error;
  }
}

/** The properties of a system error about this address. */
export function errorTarget(address: SocketAddress): SystemErrorTarget {
  if (typeof address === 'string' || types.isUint8Array(address))
    return { path: printable(address) };
  if ('sockaddr' in address) return {};
  return { address: address.address, port: address.port };
}

function printable(path: UnixPath): string {
  return typeof path === 'string' ? path : Buffer.from(path).toString('utf8');
}

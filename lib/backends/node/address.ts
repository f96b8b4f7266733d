import { isIP } from 'node:net';
import { checkPort, checkUnixPath } from '../../arguments/network';
import { checkInteger, invalidArgument } from '../../arguments/validate';
import type { InetAddress, UnixPath } from '../../contract/addresses';
import { systemErrorNamed } from '../../errors';
import { hasAbstractNames, isWindows, UNIX_PATH_BYTES, unsupported } from './platform';
import { interfaceOf, scopeIdOf } from './zones';

/** @throws TypeError or RangeError if `address` is no IPv4 or IPv6 address */
export function checkInetAddress(address: unknown): asserts address is InetAddress {
  if (typeof address !== 'object' || address === null || !('address' in address))
    throw invalidArgument('address', 'an InetAddress', address);
  const { address: text, port, flowinfo = 0, scopeId = 0 } = address as InetAddress;
  if (typeof text !== 'string' || isIP(text) === 0 || text.includes('%')) {
    throw invalidArgument(
      'address.address',
      'an IPv4 or IPv6 address in numeric form (a zone goes into scopeId)',
      text,
    );
  }
  checkPort('address.port', port);
  checkInteger('address.scopeId', scopeId, 0, 0xffffffff);
  if (flowinfo !== 0) throw unsupported('an IPv6 flow label', 'node:net and node:dgram take none');
}

/** An address in the text of net and dgram, where the zone of a link-local address follows a %. */
export function inetAddress(text: string, port: number): InetAddress {
  if (!text.includes(':')) return { address: text, port, family: 'IPv4' };
  const [address = '', zone] = text.split('%');
  const scopeId = zone === undefined ? 0 : scopeIdOf(zone);
  return { address, port, family: 'IPv6', ...(scopeId === 0 ? {} : { scopeId }) };
}

/** The text of an address for net and dgram. */
export function hostText({ address, scopeId = 0 }: InetAddress): string {
  return scopeId === 0
    ? address
    : `${address}%${isWindows ? String(scopeId) : (interfaceOf(scopeId) ?? String(scopeId))}`;
}

/**
 * A Unix path as text, which is all that net takes.
 * @throws TypeError; ENAMETOOLONG for a path that net would cut; UnsupportedOperationError for
 *   bytes that are not UTF-8, and for an abstract name where net knows none
 */
export function pipePath(name: string, path: UnixPath, syscall: string): string {
  checkUnixPath(name, path);
  const text = typeof path === 'string' ? path : decode(path);
  if (text.startsWith('\0')) {
    if (!hasAbstractNames)
      throw unsupported('an abstract Unix name', 'node:net of this runtime knows none');
  } else if (text.includes('\0')) {
    throw invalidArgument(
      name,
      'without NUL bytes, but for a leading one (an abstract name)',
      path,
    );
  }
  // The kernel wants a NUL at the end of a path, but not of an abstract name.
  const length = Buffer.byteLength(text) + (text.startsWith('\0') ? 0 : 1);
  if (length > UNIX_PATH_BYTES) throw systemErrorNamed('ENAMETOOLONG', syscall, { path: text });
  if (text === '') throw systemErrorNamed('EINVAL', syscall, { path: text });
  return text;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(path: Uint8Array): string {
  try {
    return strictUtf8.decode(path);
  } catch (error) {
    if (error instanceof TypeError)
      throw unsupported('a Unix path that is not UTF-8', 'node:net takes paths as text');
    throw error;
  }
}

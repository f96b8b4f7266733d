import type { InetAddress } from '../../contract/addresses';
import * as dns from 'node:dns';
import type { AsyncBackend } from '../../contract/backend';
import { throwIfCancelled } from '../../waiting/context';
import { checkInteger } from '../../arguments/validate';
import { checkInetAddress } from './address';
import { NI_NAMEREQD, NI_NUMERICHOST, NI_NUMERICSERV } from './platform';
import { unsupported } from './unsupported';

/**
 * Where the name of a service is looked up for an address that has none: the port alone matters.
 */
const NAMED_ADDRESS = '127.0.0.1';

/**
 * A checkpoint: dns.lookupService, which is getnameinfo(3) on libuv's thread pool.
 *
 * UnsupportedOperationError for flags other than NI_NUMERICHOST, NI_NUMERICSERV and NI_NAMEREQD.
 */
export async function getnameinfo(
  backend: AsyncBackend,
  address: InetAddress,
  flags = 0,
): Promise<[string, string]> {
  checkInteger('flags', flags, 0, 0x7fffffff);
  checkInetAddress(address);
  const { address: host, port } = address;
  const rest = flags & ~(NI_NUMERICHOST | NI_NUMERICSERV | NI_NAMEREQD);
  if (rest !== 0)
    throw unsupported(
      `getnameinfo() with flags 0x${rest.toString(16)}`,
      'dns.lookupService takes none',
    );
  throwIfCancelled();
  const wantsName = (flags & NI_NUMERICHOST) === 0;
  const wantsService = (flags & NI_NUMERICSERV) === 0;
  const numeric: [string, string] = [host, String(port)];
  if (!wantsName && !wantsService) return numeric;
  if (!wantsName) return [host, await serviceOf(backend, port)];
  try {
    const { hostname, service } = await backend.waitFor(dns.promises.lookupService(host, port));
    return [hostname, wantsService ? service : String(port)];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTFOUND' || (flags & NI_NAMEREQD) !== 0)
      throw error;
    return wantsService ? [host, await serviceOf(backend, port)] : numeric;
  }
}

/** The name of a port; its number, if it has none, or this machine no name. */
async function serviceOf(backend: AsyncBackend, port: number): Promise<string> {
  try {
    return (await backend.waitFor(dns.promises.lookupService(NAMED_ADDRESS, port))).service;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTFOUND') throw error;
    return String(port);
  }
}

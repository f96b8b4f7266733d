import { isIP } from 'node:net';
import type { AddrInfoHints, InetAddress } from '../contract/addresses';
import type { AsyncBackend } from '../contract/backend';
import { resolverError } from '../errors';
import { canonicalAddress } from './canonical-address';
import type { NetworkConstants } from './socket-driver';

/** UV_EAI_NODATA, which libuv numbers alike on every platform. */
const EAI_NODATA = -3007;

/** The addresses of every interface. */
const WILDCARDS = ['0.0.0.0', '::'] as const;

/**
 * The addresses of a host to connect to, or to listen on. A numeric address needs no look-up, and
 * neither does null, which is every interface.
 * @throws the resolver's error; ENOTFOUND for a name without an address
 */
export async function resolveHost(
  backend: AsyncBackend,
  { AF_INET, AF_INET6 }: NetworkConstants,
  host: string | null,
  port: number,
  hints: Required<Pick<AddrInfoHints, 'family' | 'type' | 'flags'>>,
): Promise<InetAddress[]> {
  if (host === null) return WILDCARDS.map((address) => numericAddress(address, port));
  // With a zone (fe80::1%eth0), the look-up translates the name of the interface.
  if (isIP(host) !== 0 && !host.includes('%')) {
    const address = numericAddress(host, port);
    const family = address.family === 'IPv6' ? AF_INET6 : AF_INET;
    if (hints.family === 0 || hints.family === family) return [address];
  }
  const found = await backend.getaddrinfo(host, port, hints);
  if (found.length === 0) throw resolverError(EAI_NODATA, 'getaddrinfo', host);
  return found.map(({ address }) => address);
}

function numericAddress(text: string, port: number): InetAddress {
  const address = canonicalAddress(text);
  return { address, port, family: address.includes(':') ? 'IPv6' : 'IPv4' };
}

/**
 * The flags of a look-up before a connection. AI_ADDRCONFIG leaves out the families in which this
 * machine has no address. It does not count loopback addresses, so a look-up of localhost
 * does not use the flag.
 */
export function connectFlags({ AI_ADDRCONFIG }: NetworkConstants, host: string): number {
  return host === 'localhost' || host.endsWith('.localhost') ? 0 : AI_ADDRCONFIG;
}

import type { AddrInfo, AddrInfoHints } from '../../contract/addresses';
import * as dns from 'node:dns';
import { isIP } from 'node:net';
import type { AsyncBackend } from '../../contract/backend';
import { resolverError } from '../../errors';
import { throwIfCancelled } from '../../waiting/context';
import { checkInteger, invalidArgument } from '../../arguments/validate';
import { inetAddress } from './address';
import {
  AF_INET, AF_INET6, AF_UNSPEC, AI_NUMERICHOST, AI_NUMERICSERV, AI_PASSIVE, IPPROTO_TCP, IPPROTO_UDP, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM,
} from './platform'; // prettier-ignore
import { unsupported } from './unsupported';

const MAX_INT = 0x7fffffff;

/** As libuv numbers them, on every platform. */
const EAI_ADDRFAMILY = -3000;
const EAI_FAMILY = -3005;
const EAI_NONAME = -3008;
const EAI_SERVICE = -3010;
const EAI_SOCKTYPE = -3011;

/** What getaddrinfo(3) lists for each address. A raw socket has no ports, and any protocol. */
const SOCKETS: readonly { readonly type: number; readonly proto: number }[] = [
  { type: SOCK_STREAM, proto: IPPROTO_TCP },
  { type: SOCK_DGRAM, proto: IPPROTO_UDP },
  { type: SOCK_RAW, proto: 0 },
];

/**
 * A checkpoint: dns.lookup, which is getaddrinfo(3) on libuv's thread pool.
 *
 * It cannot tell canonical names nor look up service names: UnsupportedOperationError for
 * AI_CANONNAME, a service name, and flags that it does not know.
 */
export async function getaddrinfo(
  backend: AsyncBackend,
  host: string | null,
  port: number | string | null,
  hints: AddrInfoHints = {},
): Promise<AddrInfo[]> {
  if (host !== null && typeof host !== 'string')
    throw invalidArgument('host', 'a string or null', host);
  if (host?.includes('\0') === true) throw invalidArgument('host', 'without NUL bytes', host);
  const { family = 0, type = 0, proto = 0, flags = 0 } = hints;
  checkInteger('family', family, 0, MAX_INT);
  checkInteger('type', type, 0, MAX_INT);
  checkInteger('proto', proto, 0, MAX_INT);
  checkInteger('flags', flags, 0, MAX_INT);
  const portNumber = portOf(host, port, flags);
  const rest =
    flags &
    ~(AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV | dns.ADDRCONFIG | dns.V4MAPPED | dns.ALL);
  if (rest !== 0)
    throw unsupported(
      `getaddrinfo() with flags 0x${rest.toString(16)}`,
      'dns.lookup has no canonical names, nor others of these flags',
    );
  throwIfCancelled();

  if (family !== AF_UNSPEC && family !== AF_INET && family !== AF_INET6)
    throw resolverError(EAI_FAMILY, 'getaddrinfo', host ?? '');
  if (type === SOCK_RAW && port !== null)
    throw resolverError(EAI_SERVICE, 'getaddrinfo', host ?? '');
  const sockets = socketsFor(type, proto);
  if (sockets.length === 0) throw resolverError(EAI_SOCKTYPE, 'getaddrinfo', host ?? '');
  if (host === null && port === null) throw resolverError(EAI_NONAME, 'getaddrinfo', '');
  const addresses =
    host === null ? ownAddresses(family, flags) : await addressesOf(backend, host, family, flags);
  return addresses.flatMap((text) => {
    const address = inetAddress(text, portNumber);
    return sockets.map((socket) => ({
      family: address.family === 'IPv6' ? AF_INET6 : AF_INET,
      ...socket,
      canonname: '',
      address,
    }));
  });
}

/** What a connection or a listener resolves its host by: a numeric address needs no look-up. */
export async function resolveHost(
  backend: AsyncBackend,
  host: string | null,
  port: number,
  hints: { readonly family: number; readonly type: number; readonly flags: number },
): Promise<AddrInfo[]> {
  const addresses = await getaddrinfo(backend, host, port, hints);
  if (addresses.length === 0) throw resolverError(EAI_NONAME, 'getaddrinfo', host ?? '');
  return addresses;
}

function portOf(host: string | null, port: number | string | null, flags: number): number {
  if (port === null) return 0;
  if (typeof port === 'number') {
    checkInteger('port', port, 0, 65535);
    return port;
  }
  if (typeof port !== 'string')
    throw invalidArgument('port', 'a number, a service name or null', port);
  if (/^\d+$/.test(port)) {
    checkInteger('port', Number(port), 0, 65535);
    return Number(port);
  }
  if ((flags & AI_NUMERICSERV) !== 0) throw resolverError(EAI_NONAME, 'getaddrinfo', host ?? '');
  throw unsupported(
    `getaddrinfo() of the service ${JSON.stringify(port)}`,
    'node:dns knows no ports of services',
  );
}

function socketsFor(
  type: number,
  proto: number,
): readonly { readonly type: number; readonly proto: number }[] {
  if (type === SOCK_RAW) return [{ type, proto }];
  return SOCKETS.filter(
    (socket) => (type === 0 || socket.type === type) && (proto === 0 || socket.proto === proto),
  );
}

/** Every interface, or the loopback one, in the order of glibc. */
function ownAddresses(family: number, flags: number): string[] {
  const addresses = (flags & AI_PASSIVE) !== 0 ? ['0.0.0.0', '::'] : ['::1', '127.0.0.1'];
  return addresses.filter(
    (address) => family === AF_UNSPEC || (family === AF_INET6) === address.includes(':'),
  );
}

async function addressesOf(
  backend: AsyncBackend,
  host: string,
  family: number,
  flags: number,
): Promise<string[]> {
  const version = isIP(host);
  if (version !== 0) {
    const isMapped = version === 4 && family === AF_INET6 && (flags & dns.V4MAPPED) !== 0;
    if (isMapped) return [`::ffff:${host}`];
    if (family !== AF_UNSPEC && family !== (version === 6 ? AF_INET6 : AF_INET))
      throw resolverError(EAI_ADDRFAMILY, 'getaddrinfo', host);
    return [host];
  }
  if (host === '' || (flags & AI_NUMERICHOST) !== 0)
    throw resolverError(EAI_NONAME, 'getaddrinfo', host);
  return backend.waitFor(lookUp(host, family, flags & (dns.ADDRCONFIG | dns.V4MAPPED | dns.ALL)));
}

/** Those under way, so that who asks the same shares the answer. */
const lookups = new Map<string, Promise<string[]>>();

function lookUp(host: string, family: number, hints: number): Promise<string[]> {
  const key = JSON.stringify([host, family, hints]);
  const underWay = lookups.get(key);
  if (underWay !== undefined) return underWay;
  const version = family === AF_INET ? 4 : family === AF_INET6 ? 6 : 0;
  const lookup = dns.promises
    .lookup(host, { all: true, family: version, hints, verbatim: true })
    .then((addresses) => addresses.map(({ address }) => address))
    .finally(() => lookups.delete(key));
  lookups.set(key, lookup);
  return lookup;
}

/**
 * AI_ADDRCONFIG spares attempts in a family that the machine does not use, but hides loopback
 * addresses from one that has no others of their family.
 */
export function addrConfigFor(host: string): number {
  return host === 'localhost' || host.endsWith('.localhost') ? 0 : dns.ADDRCONFIG;
}

import * as dns from 'node:dns';
import { isIP } from 'node:net';
import type { AddrInfo, AddrInfoHints, InetAddress } from '../../contract/addresses';
import { type ResolverError, resolverError } from '../../errors';
import { canonicalAddress } from '../../networking/canonical-address';
import { type BegunLookup, type Lookup, SharedLookups } from '../../networking/shared-lookups';
import { throwIfCancelled } from '../../waiting/context';
import { checkInetAddress, hostText, inetAddress } from './address';
import { LookupQueue, lookupThreads } from './lookup-queue';
import {
  AF_INET, AF_INET6, AF_UNSPEC, AI_NUMERICHOST, AI_NUMERICSERV, AI_PASSIVE, IPPROTO_TCP, IPPROTO_UDP, NI_NAMEREQD,
  NI_NUMERICHOST, NI_NUMERICSERV, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM, unsupported,
} from './platform'; // prettier-ignore

/** libuv numbers these alike on every platform. */
const EAI_ADDRFAMILY = -3000;
const EAI_FAMILY = -3005;
const EAI_NONAME = -3008;
const EAI_SERVICE = -3010;
const EAI_SOCKTYPE = -3011;

/** The flags that dns.lookup takes. */
const LOOKUP_FLAGS = dns.ADDRCONFIG | dns.V4MAPPED | dns.ALL;

/**
 * Where the name of a service is looked up for an address that has no name: the port alone matters.
 */
const NAMED_ADDRESS = '127.0.0.1';

/** What getaddrinfo(3) lists for each address. A raw socket has no port, and any protocol. */
const SOCKETS: readonly { readonly type: number; readonly proto: number }[] = [
  { type: SOCK_STREAM, proto: IPPROTO_TCP },
  { type: SOCK_DGRAM, proto: IPPROTO_UDP },
  { type: SOCK_RAW, proto: 0 },
];

const addressLookups = new SharedLookups<string[]>();
const nameLookups = new SharedLookups<[string, string]>();
const queue = new LookupQueue(lookupThreads(process.env['UV_THREADPOOL_SIZE']));

/**
 * A checkpoint: dns.lookup, which is getaddrinfo(3) on libuv's thread pool.
 * @throws UnsupportedOperationError for AI_CANONNAME, for the name of a service, and for flags that
 *   dns.lookup does not have
 */
export async function getaddrinfo(
  host: string | null,
  port: number | string | null,
  { family, type, proto, flags }: Required<AddrInfoHints>,
): Promise<AddrInfo[]> {
  const portNumber = portOf(host, port, flags);
  const rest = flags & ~(AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV | LOOKUP_FLAGS);
  if (rest !== 0)
    throw unsupported(
      `getaddrinfo() with flags 0x${rest.toString(16)}`,
      'dns.lookup has no canonical names, and none of these flags',
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
    host === null ? ownAddresses(family, flags) : await addressesOf(host, family, flags);
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

function portOf(host: string | null, port: number | string | null, flags: number): number {
  if (port === null) return 0;
  if (typeof port === 'number') return port;
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

/** Every interface, or the loopback interface, in the order of glibc. */
function ownAddresses(family: number, flags: number): string[] {
  const addresses = (flags & AI_PASSIVE) !== 0 ? ['0.0.0.0', '::'] : ['::1', '127.0.0.1'];
  return addresses.filter(
    (address) => family === AF_UNSPEC || (family === AF_INET6) === address.includes(':'),
  );
}

async function addressesOf(host: string, family: number, flags: number): Promise<string[]> {
  const version = isIP(host);
  if (version !== 0) {
    const isMapped = version === 4 && family === AF_INET6 && (flags & dns.V4MAPPED) !== 0;
    if (isMapped) return [`::ffff:${host}`];
    if (family !== AF_UNSPEC && family !== (version === 6 ? AF_INET6 : AF_INET))
      throw resolverError(EAI_ADDRFAMILY, 'getaddrinfo', host);
    return [canonicalAddress(host)];
  }
  if (host === '' || (flags & AI_NUMERICHOST) !== 0)
    throw resolverError(EAI_NONAME, 'getaddrinfo', host);
  const hints = flags & LOOKUP_FLAGS;
  const options = { all: true, family: versionOf(family), hints, verbatim: true } as const;
  const key = JSON.stringify([host, family, hints]);
  return addressLookups.wait(key, `getaddrinfo(${host})`, (lookup) =>
    follow(lookup, async () => {
      const addresses = await dns.promises.lookup(host, options);
      return addresses.map(({ address }) => address);
    }),
  );
}

function versionOf(family: number): 0 | 4 | 6 {
  return family === AF_INET ? 4 : family === AF_INET6 ? 6 : 0;
}

/**
 * A checkpoint: dns.lookupService, which is getnameinfo(3) on libuv's thread pool.
 * @throws UnsupportedOperationError for flags other than NI_NUMERICHOST, NI_NUMERICSERV and
 *   NI_NAMEREQD
 */
export async function getnameinfo(address: InetAddress, flags: number): Promise<[string, string]> {
  checkInetAddress(address);
  const { address: host, port } = address;
  const rest = flags & ~(NI_NUMERICHOST | NI_NUMERICSERV | NI_NAMEREQD);
  if (rest !== 0)
    throw unsupported(
      `getnameinfo() with flags 0x${rest.toString(16)}`,
      'dns.lookupService takes no flags',
    );
  throwIfCancelled();
  const isNumeric = (flag: number): boolean => (flags & flag) !== 0;
  if (isNumeric(NI_NUMERICHOST) && isNumeric(NI_NUMERICSERV))
    return [hostText({ ...address, address: canonicalAddress(host) }), String(port)];
  const key = JSON.stringify([host, port, flags]);
  return nameLookups.wait(key, `getnameinfo(${host})`, (lookup) =>
    follow(lookup, () => namesOf(host, port, flags)),
  );
}

async function namesOf(host: string, port: number, flags: number): Promise<[string, string]> {
  const wantsService = (flags & NI_NUMERICSERV) === 0;
  if ((flags & NI_NUMERICHOST) === 0) {
    try {
      const { hostname, service } = await dns.promises.lookupService(host, port);
      return [hostname, wantsService ? service : String(port)];
    } catch (error) {
      if (!isNotFound(error) || (flags & NI_NAMEREQD) !== 0) throw error;
    }
  }
  return [host, wantsService ? await serviceOf(port) : String(port)];
}

/** The name of the service of a port; the number of the port if it has no name. */
async function serviceOf(port: number): Promise<string> {
  try {
    return (await dns.promises.lookupService(NAMED_ADDRESS, port)).service;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return String(port);
  }
}

function isNotFound(error: unknown): boolean {
  return (error as Partial<ResolverError> | null)?.code === 'ENOTFOUND';
}

/** Asks as soon as a thread is free, and ends the look-up as the promise of `ask` ends. */
function follow<T extends unknown[]>(lookup: Lookup<T>, ask: () => Promise<T>): BegunLookup {
  return queue.add(() =>
    ask().then(
      (result) => {
        lookup.succeed(() => [...result] as T);
      },
      (error: unknown) => {
        lookup.fail(() => copyOf(error));
      },
    ),
  );
}

/** An error of its own for each caller. An error that is none of the resolver's stays as it is. */
function copyOf(error: unknown): unknown {
  const { errno, syscall = '', hostname = '' } = error as Partial<ResolverError>;
  return typeof errno === 'number' ? resolverError(errno, syscall, hostname) : error;
}

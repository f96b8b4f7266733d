import type { AddrInfo, AddrInfoHints, InetAddress } from '../../contract/addresses';
import { isIP, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { nativeBinding } from '../../binding';
import { resolverError } from '../../errors';
import { currentScope } from '../../waiting/context';
import { cancelled, isCancelled, Operation } from '../../waiting/operation';
import { checkInteger, invalidArgument } from '../../arguments/validate';
import { checkPort, decodeAddress, encodeAddress } from '../../socket/address';

const MAX_INT = 0x7fffffff;

/** A look-up under way, and all who asked the same. */
class Lookup<T> {
  readonly waiters = new Set<LookupWait<T>>();

  constructor(readonly description: string) {}

  /**
   * Each waiter gets a result, or an error, of its own: what one does to it is not the others'
   * business.
   */
  succeed(makeResult: () => T): void {
    for (const waiter of this.#take()) waiter.settle(makeResult());
  }

  fail(makeError: () => Error): void {
    for (const waiter of this.#take()) waiter.fail(makeError());
  }

  #take(): LookupWait<T>[] {
    const waiters = [...this.waiters];
    this.waiters.clear();
    return waiters;
  }
}

class LookupWait<T> extends Operation<T> {
  readonly #lookup: Lookup<T>;

  constructor(lookup: Lookup<T>) {
    super();
    this.#lookup = lookup;
    lookup.waiters.add(this);
  }

  describe(): string {
    return this.#lookup.description;
  }

  /** The look-up goes on for the others, or ends unheard. */
  protected withdraw(): void {
    this.#lookup.waiters.delete(this);
  }
}

const lookups = new Map<string, Lookup<AddrInfo[]>>();

/** A checkpoint: getaddrinfo(3), on a thread of its own pool. */
export async function getaddrinfo(
  host: string | null,
  port: number | string | null,
  hints: AddrInfoHints = {},
): Promise<AddrInfo[]> {
  if (host !== null && typeof host !== 'string')
    throw invalidArgument('host', 'a string or null', host);
  if (host?.includes('\0') === true) throw invalidArgument('host', 'without NUL bytes', host);
  if (typeof port === 'number') checkPort('port', port);
  else if (port !== null && typeof port !== 'string')
    throw invalidArgument('port', 'a number, a service name or null', port);
  const { family = 0, type = 0, proto = 0, flags = 0 } = hints;
  checkInteger('family', family, 0, MAX_INT);
  checkInteger('type', type, 0, MAX_INT);
  checkInteger('proto', proto, 0, MAX_INT);
  checkInteger('flags', flags, 0, MAX_INT);

  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  const service = port === null ? null : String(port);
  const key = JSON.stringify([host, service, family, type, proto, flags]);
  const lookup =
    lookups.get(key) ?? startLookup(key, host, service, { family, type, proto, flags });
  return new LookupWait(lookup).enter(scope).promise;
}

function startLookup(
  key: string,
  host: string | null,
  service: string | null,
  hints: Required<AddrInfoHints>,
): Lookup<AddrInfo[]> {
  const { family, type, proto, flags } = hints;
  const lookup = new Lookup<AddrInfo[]>(`getaddrinfo(${String(host)}, ${String(service)})`);
  const makeError = (code: number): Error => resolverError(code, 'getaddrinfo', host ?? '');
  const status = nativeBinding().getaddrinfo(
    toAscii(host),
    service,
    family,
    type,
    proto,
    flags,
    (code, entries) => {
      lookups.delete(key);
      if (code < 0 || entries === null) lookup.fail(() => makeError(code));
      else lookup.succeed(() => entries.map(decodeEntry));
    },
  );
  if (status < 0) throw makeError(status);
  lookups.set(key, lookup);
  return lookup;
}

/**
 * Names in other scripts go to the resolver in their ASCII form (RFC 5891), as Node's own do. One
 * that has none is asked for as it is.
 */
function toAscii(host: string | null): string | null {
  if (host === null || /^[\x21-\x7e]*$/.test(host)) return host;
  const ascii = domainToASCII(host);
  return ascii === '' ? host : ascii;
}

function decodeEntry([family, type, proto, canonname, sockaddr]: readonly [
  number,
  number,
  number,
  string,
  Uint8Array,
]): AddrInfo {
  return {
    family,
    type,
    proto,
    canonname,
    address: decodeAddress(sockaddr, sockaddr.length) as InetAddress,
  };
}

/** A checkpoint: getnameinfo(3), likewise. */
export async function getnameinfo(address: InetAddress, flags = 0): Promise<[string, string]> {
  const { address: text } = (address as InetAddress | null | undefined) ?? {};
  if (typeof text !== 'string') throw invalidArgument('address', 'an InetAddress', address);
  checkInteger('flags', flags, 0, MAX_INT);
  const { bytes, length } = encodeAddress(address, 'getnameinfo');
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  const lookup = new Lookup<[string, string]>(`getnameinfo(${text})`);
  const status = nativeBinding().getnameinfo(bytes, length, flags, (code, host, service) => {
    if (code < 0) lookup.fail(() => resolverError(code, 'getnameinfo', text));
    else lookup.succeed(() => [host, service]);
  });
  if (status < 0) throw resolverError(status, 'getnameinfo', text);
  return new LookupWait(lookup).enter(scope).promise;
}

/**
 * What a connection or a listener resolves its host by: a numeric address needs no look-up, and
 * neither does null, which is every interface, first IPv4, then IPv6.
 */
export async function resolveHost(
  host: string | null,
  port: number,
  hints: Required<Pick<AddrInfoHints, 'family' | 'type' | 'flags'>>,
): Promise<AddrInfo[]> {
  const { AF_INET = 0, AF_INET6 = 0 } = nativeBinding().constants;
  const known = (address: string): AddrInfo => {
    const isV6 = isIPv6(address);
    const family = isV6 ? AF_INET6 : AF_INET;
    return {
      family,
      type: hints.type,
      proto: 0,
      canonname: '',
      address: { address, port, family: isV6 ? 'IPv6' : 'IPv4' },
    };
  };
  if (host === null) return [known('0.0.0.0'), known('::')];
  // With a zone ("fe80::1%eth0") the look-up translates the interface's name.
  if (isIP(host) !== 0 && !host.includes('%')) {
    const answer = known(host);
    if (hints.family === 0 || hints.family === answer.family) return [answer];
  }
  const addresses = await getaddrinfo(host, port, hints);
  if (addresses.length === 0)
    throw resolverError(nativeBinding().constants['UV_EAI_NODATA'] ?? 0, 'getaddrinfo', host);
  return addresses;
}

import { domainToASCII } from 'node:url';
import { type AddrInfoEntry, nativeBinding } from '../../binding';
import { invalidArgument } from '../../arguments/validate';
import type { AddrInfo, AddrInfoHints, InetAddress } from '../../contract/addresses';
import { resolverError } from '../../errors';
import { type BegunLookup, SharedLookups } from '../../networking/shared-lookups';
import type { NetworkConstants } from '../../networking/socket-driver';
import { decodeAddress, encodeAddress } from '../../socket/address';
import { throwIfCancelled } from '../../waiting/context';

export function networkConstants(): NetworkConstants {
  const {
    AF_INET = 0,
    AF_INET6 = 0,
    SOCK_STREAM = 0,
    SOCK_DGRAM = 0,
    AI_PASSIVE = 0,
    AI_ADDRCONFIG = 0,
  } = nativeBinding().constants;
  return { AF_INET, AF_INET6, SOCK_STREAM, SOCK_DGRAM, AI_PASSIVE, AI_ADDRCONFIG };
}

const addressLookups = new SharedLookups<AddrInfo[]>();
const nameLookups = new SharedLookups<[string, string]>();

/**
 * A checkpoint: getaddrinfo(3), on threads of the addon's own. A host in numbers, or none, is
 * answered at once: it must not wait behind slow names.
 */
export async function getaddrinfo(
  host: string | null,
  port: number | string | null,
  hints: Required<AddrInfoHints>,
): Promise<AddrInfo[]> {
  const { family, type, proto, flags } = hints;
  const service = port === null ? null : String(port);
  const name = toAscii(host);
  throwIfCancelled();
  const numeric = nativeBinding().numericAddrInfo(name, service, family, type, proto, flags);
  if (typeof numeric !== 'number') return numeric.map(decodeEntry);
  // Also where the numbers were refused: the look-up knows why.
  const key = JSON.stringify([host, service, family, type, proto, flags]);
  const description = `getaddrinfo(${String(host)}, ${String(service)})`;
  return addressLookups.wait(key, description, (lookup) => {
    const makeError = (code: number): Error => resolverError(code, 'getaddrinfo', host ?? '');
    const ticket = nativeBinding().getaddrinfo(
      name,
      service,
      family,
      type,
      proto,
      flags,
      (code, entries) => {
        if (code < 0 || entries === null) lookup.fail(() => makeError(code));
        else lookup.succeed(() => entries.map(decodeEntry));
      },
    );
    if (ticket < 0) throw makeError(ticket);
    return begun(ticket);
  });
}

/** The C library cannot stop a look-up that a thread has begun. */
function begun(ticket: number): BegunLookup {
  return { setWanted: (isWanted) => nativeBinding().setLookUpWanted(ticket, isWanted) > 0 };
}

/**
 * The resolver gets names in other scripts in their ASCII form (RFC 5891), as from Node's own
 * look-ups. A name that has no such form goes to the resolver as it is.
 */
function toAscii(host: string | null): string | null {
  if (host === null || /^[\x21-\x7e]*$/.test(host)) return host;
  const ascii = domainToASCII(host);
  return ascii === '' ? host : ascii;
}

function decodeEntry([family, type, proto, canonname, sockaddr]: AddrInfoEntry): AddrInfo {
  return {
    family,
    type,
    proto,
    canonname,
    address: decodeAddress(sockaddr, sockaddr.length) as InetAddress,
  };
}

/**
 * A checkpoint: getnameinfo(3), on threads of the addon's own; at once where only numbers are asked
 * for.
 */
export async function getnameinfo(address: InetAddress, flags: number): Promise<[string, string]> {
  const { address: text } = (address as InetAddress | null | undefined) ?? {};
  if (typeof text !== 'string') throw invalidArgument('address', 'an InetAddress', address);
  const { bytes, length } = encodeAddress(address, 'getnameinfo');
  const { NI_NUMERICHOST = 0, NI_NUMERICSERV = 0 } = nativeBinding().constants;
  if ((flags & NI_NUMERICHOST) !== 0 && (flags & NI_NUMERICSERV) !== 0) {
    throwIfCancelled();
    const numeric = nativeBinding().numericNameInfo(bytes, length, flags);
    if (typeof numeric !== 'number') return [...numeric];
  }
  const key = JSON.stringify([...bytes.subarray(0, length), flags]);
  return nameLookups.wait(key, `getnameinfo(${text})`, (lookup) => {
    const makeError = (code: number): Error => resolverError(code, 'getnameinfo', text);
    const ticket = nativeBinding().getnameinfo(bytes, length, flags, (code, host, service) => {
      if (code < 0) lookup.fail(() => makeError(code));
      else lookup.succeed(() => [host, service]);
    });
    if (ticket < 0) throw makeError(ticket);
    return begun(ticket);
  });
}

import { nativeBinding } from '../binding';
import type { InetAddress, RawAddress, SocketAddress, UnixPath } from '../contract/addresses';
import { decodeAddress, encodeAddress, type Sockaddr } from './address';

type Decoded = InetAddress | UnixPath | RawAddress;

/**
 * Peers remembered per socket. A server exchanges datagrams with the same peers again and again.
 * With more peers than this, the cache only saves less.
 */
const CAPACITY = 4096;

/** A peer: its sockaddr, and the address that users see. */
interface Peer {
  readonly sockaddr: Uint8Array;
  readonly address: InetAddress | string;
}

/**
 * FNV-1a, in the 30 bits that an engine stores without allocating. Two peers with the same hash
 * replace each other in the cache, and each lookup compares the bytes.
 */
function hashOf(bytes: Uint8Array, start: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < start + length; i++)
    hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return (hash ^ (hash >>> 15)) & 0x3fffffff;
}

function isSame(known: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  if (known.length !== length) return false;
  for (let i = 0; i < length; i++) if (known[i] !== bytes[start + i]) return false;
  return true;
}

/**
 * For a path that fills sun_path, the kernel returns a length that includes a NUL behind it. The
 * kernel does not accept that length in a send (unix(7), Bugs).
 */
function longestUnixName(): number {
  const { unixPathOffset, unixPathMax } = nativeBinding().limits;
  return unixPathOffset + unixPathMax;
}

/**
 * The addresses of a datagram socket's peers, in both forms. A known peer costs neither the text of
 * its address on receipt nor the parsing of that text in the reply. Many datagrams share one
 * address object, so it is frozen. Bytes cannot be frozen, so they are made anew for each datagram.
 */
export class AddressCache {
  readonly #peers = new Map<number, Peer>();
  /** By identity: a reply is sent to the same object that the handler received. */
  readonly #encoded = new WeakMap<object, Sockaddr>();
  readonly #encodedPaths = new Map<string, Sockaddr>();

  decode(bytes: Uint8Array, start: number, length: number): Decoded {
    const hash = hashOf(bytes, start, length);
    const known = this.#peers.get(hash);
    if (known !== undefined && isSame(known.sockaddr, bytes, start, length)) return known.address;
    const sockaddr = bytes.slice(start, start + length);
    const address = decodeAddress(sockaddr, length) ?? '';
    if (typeof address === 'object' && !('family' in address)) return address;
    if (this.#peers.size >= CAPACITY) this.#forget();
    if (typeof address === 'object')
      this.#encoded.set(Object.freeze(address), { bytes: sockaddr, length });
    else if (address !== '')
      this.#encodedPaths.set(address, {
        bytes: sockaddr,
        length: Math.min(length, longestUnixName()),
      });
    this.#peers.set(hash, { sockaddr, address });
    return address;
  }

  encode(address: SocketAddress, syscall: string): Sockaddr {
    const known =
      typeof address === 'string' ? this.#encodedPaths.get(address) : this.#encoded.get(address);
    return known ?? encodeAddress(address, syscall);
  }

  #forget(): void {
    this.#peers.clear();
    this.#encodedPaths.clear();
  }
}

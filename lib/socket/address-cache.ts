import { nativeBinding } from '../binding';
import type { InetAddress, RawAddress, SocketAddress, UnixPath } from '../contract/addresses';
import { decodeAddress, encodeAddress, type Sockaddr } from './address';

type Decoded = InetAddress | UnixPath | RawAddress;

/**
 * Peers remembered per socket. A server talks to some peers again and again; one that talks to more
 * than this pays what it paid before.
 */
const CAPACITY = 4096;

/** A peer: its sockaddr, and what stands for it. */
interface Peer {
  readonly sockaddr: Uint8Array;
  readonly address: InetAddress | string;
}

/**
 * FNV-1a, in 30 bits: what an engine holds without allocating. Two peers of one hash take turns in
 * the cache, and no more comes of it.
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
 * A path that fills sun_path is told with a NUL behind it, for which there is no room on the way
 * back (unix(7), Bugs).
 */
function longestUnixName(): number {
  const { unixPathOffset, unixPathMax } = nativeBinding().limits;
  return unixPathOffset + unixPathMax;
}

/**
 * The addresses of the peers that a datagram socket talks to, in both forms: so that a packet costs
 * neither the text of its sender's address nor, in the answer, the reading of it. Many packets
 * share one, and so it is frozen; what cannot be frozen (bytes) is made anew for each.
 */
export class AddressCache {
  readonly #peers = new Map<number, Peer>();
  /** By identity: an answer goes to the very object that the handler was given. */
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

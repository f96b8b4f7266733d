import { randomFillSync } from 'node:crypto';
import { nativeBinding } from '../binding';
import type { InetAddress, RawAddress, SocketAddress, UnixPath } from '../contract/addresses';
import { decodeAddress, encodeAddress, type Sockaddr } from './address';

type Decoded = InetAddress | UnixPath | RawAddress;

/**
 * Peers remembered per socket and generation: up to twice as many in all. A server exchanges
 * datagrams with the same peers again and again. With more peers than this, the cache only saves
 * less.
 */
const CAPACITY = 2048;

/** A peer: its sockaddr, and the address that users see. */
interface Peer {
  readonly sockaddr: Uint8Array;
  readonly address: InetAddress | string;
}

/**
 * Secrets of this process. Peers choose their addresses (a local one 107 free bytes), and must not
 * be able to choose hashes: addresses with equal hashes would push one another, and those of other
 * peers, out of the cache. An odd number of this form is a good multiplier.
 */
const [FIRST = 0, multiplier = 0] = randomFillSync(new Int32Array(2));
const STEP = (multiplier & ~7) | 5;

/** A hash in the 30 bits that an engine stores without allocating. */
function hashOf(bytes: Uint8Array, start: number, length: number): number {
  let hash = FIRST;
  for (let i = start; i < start + length; i++) hash = Math.imul(hash ^ (bytes[i] as number), STEP);
  hash = Math.imul(hash ^ (hash >>> 15), STEP);
  return (hash ^ (hash >>> 13)) & 0x3fffffff;
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
  /**
   * By hash. Each look-up compares the bytes, and a peer with the hash of another one replaces it.
   *
   * Two generations: when the young one is full, it becomes the old one, and what was in that is
   * forgotten. A peer that is heard of again moves to the young one. So a flood of new peers pushes
   * out only those that have been silent since thousands of others were heard.
   */
  #young = new Map<number, Peer>();
  #old = new Map<number, Peer>();
  /** By identity: a reply is sent to the same object that the handler received. */
  readonly #encoded = new WeakMap<object, Sockaddr>();
  /** The peers with a path: no more than the peers of both generations. */
  readonly #encodedPaths = new Map<string, Sockaddr>();

  decode(bytes: Uint8Array, start: number, length: number): Decoded {
    const hash = hashOf(bytes, start, length);
    const known = this.#young.get(hash);
    if (known !== undefined && isSame(known.sockaddr, bytes, start, length)) return known.address;
    return this.#renew(hash, bytes, start, length) ?? this.#add(hash, bytes, start, length);
  }

  encode(address: SocketAddress, syscall: string): Sockaddr {
    const known =
      typeof address === 'string' ? this.#encodedPaths.get(address) : this.#encoded.get(address);
    return known ?? encodeAddress(address, syscall);
  }

  /** Moves a peer of the old generation to the young one. */
  #renew(hash: number, bytes: Uint8Array, start: number, length: number): Decoded | undefined {
    const known = this.#old.get(hash);
    if (known === undefined || !isSame(known.sockaddr, bytes, start, length)) return undefined;
    this.#old.delete(hash);
    this.#remember(hash, known);
    return known.address;
  }

  #add(hash: number, bytes: Uint8Array, start: number, length: number): Decoded {
    const sockaddr = bytes.slice(start, start + length);
    const address = decodeAddress(sockaddr, length) ?? '';
    if (typeof address === 'object' && !('family' in address)) return address;
    this.#remember(hash, { sockaddr, address });
    if (typeof address === 'object')
      this.#encoded.set(Object.freeze(address), { bytes: sockaddr, length });
    else if (address !== '')
      this.#encodedPaths.set(address, {
        bytes: sockaddr,
        length: Math.min(length, longestUnixName()),
      });
    return address;
  }

  #remember(hash: number, peer: Peer): void {
    if (this.#young.size >= CAPACITY) {
      for (const forgotten of this.#old.values()) this.#forget(forgotten);
      this.#old = this.#young;
      this.#young = new Map();
    }
    const replaced = this.#young.get(hash);
    if (replaced !== undefined) this.#forget(replaced);
    this.#young.set(hash, peer);
  }

  #forget({ sockaddr, address }: Peer): void {
    // Another peer may have the same path: the kernel pads some names with a NUL.
    if (typeof address === 'string' && this.#encodedPaths.get(address)?.bytes === sockaddr)
      this.#encodedPaths.delete(address);
  }
}

import {
  decodeAddress,
  encodeAddress,
  type InetAddress,
  type RawAddress,
  type Sockaddr,
  type SocketAddress,
  type UnixPath,
} from './address';

type Decoded = InetAddress | UnixPath | RawAddress;

/** Peers remembered per socket. A server talks to some peers again and again; one that talks to more than this pays what it paid before. */
const CAPACITY = 4096;

/** A sockaddr as a key of a Map: its bytes, as a string of one character each. */
function keyOf(bytes: Uint8Array, start: number, length: number): string {
  let key = '';
  for (let i = start; i < start + length; i++) key += String.fromCharCode(bytes[i] as number);
  return key;
}

/**
 * The addresses of the peers that a datagram socket talks to, in both forms: so that a packet costs neither the text of its sender's
 * address nor, in the answer, the reading of it. Addresses given out are frozen, since many packets share one.
 */
export class AddressCache {
  readonly #decoded = new Map<string, Decoded>();
  /** By identity: an answer goes to the very object that the handler was given. */
  readonly #encoded = new WeakMap<object, Sockaddr>();

  decode(bytes: Uint8Array, start: number, length: number): Decoded {
    const key = keyOf(bytes, start, length);
    const known = this.#decoded.get(key);
    if (known !== undefined) return known;
    const copy = bytes.slice(start, start + length);
    const address = decodeAddress(copy, length) ?? '';
    if (this.#decoded.size >= CAPACITY) this.#decoded.clear();
    this.#decoded.set(key, address);
    if (typeof address === 'object' && !(address instanceof Uint8Array)) {
      this.#encoded.set(Object.freeze(address), { bytes: copy, length });
    }
    return address;
  }

  encode(address: SocketAddress, syscall: string): Sockaddr {
    const known = typeof address === 'object' ? this.#encoded.get(address) : undefined;
    return known ?? encodeAddress(address, syscall);
  }
}

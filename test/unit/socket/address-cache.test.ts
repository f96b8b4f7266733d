import type { InetAddress, RawAddress } from '#lib/contract/addresses';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nativeBinding } from '#lib/binding';
import { encodeAddress } from '#lib/socket/address';
import { AddressCache } from '#lib/socket/address-cache';

afterEach(() => vi.restoreAllMocks());

const inet = (port: number): InetAddress => ({ address: '10.1.2.3', port, family: 'IPv4' });
/** A sockaddr in the middle of other bytes, as in a batch of names. */
function inSlab(address: Parameters<typeof encodeAddress>[0]): [Uint8Array, number, number] {
  const { bytes, length } = encodeAddress(address, 'test');
  const slab = new Uint8Array(300).fill(0xee);
  slab.set(bytes.subarray(0, length), 100);
  return [slab, 100, length];
}

describe('AddressCache', () => {
  it('returns one frozen object per address, and decodes its text once', () => {
    const cache = new AddressCache();
    const decode = vi.spyOn(nativeBinding(), 'decodeInet');
    const first = cache.decode(...inSlab(inet(1)));
    expect(first).toEqual(inet(1));
    expect(cache.decode(...inSlab(inet(1)))).toBe(first);
    expect(cache.decode(...inSlab(inet(2)))).toEqual(inet(2));
    expect(decode).toHaveBeenCalledTimes(2);
    expect(Object.isFrozen(first)).toBe(true);
  });

  it('does not encode the address of a reply again, though the receive memory has changed', () => {
    const cache = new AddressCache();
    const [slab, start, length] = inSlab(inet(1));
    const address = cache.decode(slab, start, length) as InetAddress;
    slab.fill(0);
    const encode = vi.spyOn(nativeBinding(), 'encodeInet');
    const known = cache.encode(address, 'sendto');
    expect(encode).not.toHaveBeenCalled();
    const fresh = cache.encode(inet(1), 'sendto');
    expect(encode).toHaveBeenCalledTimes(1);
    expect(known.bytes.subarray(0, known.length)).toEqual(fresh.bytes.subarray(0, fresh.length));
  });

  it('remembers Unix senders, with and without a path', () => {
    const cache = new AddressCache();
    for (const path of ['/a/path', '\0abstract\0name', '/ü']) {
      expect(cache.decode(...inSlab(path))).toBe(path);
      const encode = vi.spyOn(nativeBinding(), 'encodeUnix');
      const known = cache.encode(path, 'sendto');
      expect(encode).not.toHaveBeenCalled();
      vi.restoreAllMocks();
      const fresh = encodeAddress(path, 'sendto');
      expect(known.bytes.subarray(0, known.length)).toEqual(fresh.bytes.subarray(0, fresh.length));
    }
    expect(cache.decode(new Uint8Array(10), 0, 0)).toBe('');
    expect(cache.encode('', 'sendto').length).toBe(encodeAddress('', 'sendto').length);
  });

  it.runIf(process.platform === 'linux')('a path that fills sun_path is a destination too', () => {
    const cache = new AddressCache();
    const path = `/${'x'.repeat(107)}`;
    // The kernel returns 111 bytes, with a NUL at the end. sendto(2) accepts 110.
    const sockaddr = Buffer.concat([
      encodeAddress('/', 'test').bytes.subarray(0, 2),
      Buffer.from(`${path}\0`),
    ]);
    expect(cache.decode(sockaddr, 0, 111)).toBe(path);
    const { bytes, length } = cache.encode(path, 'sendto');
    expect([length, Buffer.from(bytes.subarray(2, length)).toString()]).toEqual([110, path]);
  });

  it("one user's change to an address is not visible to the next", () => {
    const cache = new AddressCache();
    const path = Uint8Array.of(0x2f, 0xff);
    const first = cache.decode(...inSlab(path)) as Uint8Array;
    expect(first).toEqual(path);
    first.fill(0);
    expect(cache.decode(...inSlab(path))).toEqual(path);
    const netlink = Uint8Array.of(16, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0);
    const raw = cache.decode(netlink, 0, netlink.length) as RawAddress;
    raw.sockaddr.fill(0);
    expect(cache.decode(netlink, 0, netlink.length)).toEqual({ sockaddr: netlink });
    const { bytes, length } = cache.encode(raw, 'sendto');
    expect(bytes.subarray(0, length)).toEqual(raw.sockaddr);
  });

  it('tells two peers apart, in whichever order they come', () => {
    const cache = new AddressCache();
    const peers: InetAddress[] = [
      { address: '10.7.116.85', port: 38_084, family: 'IPv4' },
      { address: '10.51.71.134', port: 53_824, family: 'IPv4' },
    ];
    for (const peer of [...peers, ...peers]) {
      const decoded = cache.decode(...inSlab(peer)) as InetAddress;
      expect(decoded).toEqual(peer);
      const { bytes, length } = cache.encode(decoded, 'sendto');
      expect(bytes.subarray(0, length)).toEqual(
        encodeAddress(peer, 'sendto').bytes.subarray(0, length),
      );
    }
  });

  it('forgets peers rather than grow without bound', () => {
    const cache = new AddressCache();
    const [slab, start, length] = inSlab(inet(0));
    const first = cache.decode(slab, start, length);
    const port = new DataView(slab.buffer, start + 2, 2);
    for (let i = 1; i <= 5000; i++) {
      port.setUint16(0, i);
      cache.decode(slab, start, length);
    }
    port.setUint16(0, 0);
    const again = cache.decode(slab, start, length);
    expect(again).toEqual(first);
    expect(again).not.toBe(first);
    expect(cache.encode(first as InetAddress, 'sendto').length).toBe(length);
  });

  it('rejects an invalid address as encodeAddress does', () => {
    expect(() => new AddressCache().encode(null as never, 'sendto')).toThrow(TypeError);
    expect(() => new AddressCache().encode({ ...inet(1), port: -1 }, 'sendto')).toThrow(RangeError);
  });
});

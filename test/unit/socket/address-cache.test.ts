import { afterEach, describe, expect, it, vi } from 'vitest';
import { nativeBinding } from '#lib/binding';
import { encodeAddress, type InetAddress } from '#lib/socket/address';
import { AddressCache } from '#lib/socket/address-cache';

afterEach(() => vi.restoreAllMocks());

const inet = (port: number): InetAddress => ({ address: '10.1.2.3', port, family: 'IPv4' });
/** A sockaddr in the middle of other bytes, as a batch of names holds it. */
function inSlab(address: Parameters<typeof encodeAddress>[0]): [Uint8Array, number, number] {
  const { bytes, length } = encodeAddress(address, 'test');
  const slab = new Uint8Array(300).fill(0xee);
  slab.set(bytes.subarray(0, length), 100);
  return [slab, 100, length];
}

describe('AddressCache', () => {
  it('gives one frozen object for one address, and reads its text once', () => {
    const cache = new AddressCache();
    const decode = vi.spyOn(nativeBinding(), 'decodeInet');
    const first = cache.decode(...inSlab(inet(1)));
    expect(first).toEqual(inet(1));
    expect(cache.decode(...inSlab(inet(1)))).toBe(first);
    expect(cache.decode(...inSlab(inet(2)))).toEqual(inet(2));
    expect(decode).toHaveBeenCalledTimes(2);
    expect(Object.isFrozen(first)).toBe(true);
  });

  it('an answer to a sender is not encoded again; the slab may have changed', () => {
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

  it('knows Unix senders: paths, bytes, and the unnamed', () => {
    const cache = new AddressCache();
    expect(cache.decode(...inSlab('/a/path'))).toBe('/a/path');
    expect(cache.decode(...inSlab(Uint8Array.of(0x2f, 0xff)))).toEqual(Uint8Array.of(0x2f, 0xff));
    expect(cache.decode(new Uint8Array(10), 0, 0)).toBe('');
    expect(cache.encode('/a/path', 'sendto').length).toBe(encodeAddress('/a/path', 'sendto').length);
  });

  it('forgets, rather than grow without end', () => {
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

  it('what is no address is refused as ever', () => {
    expect(() => new AddressCache().encode(null as never, 'sendto')).toThrow(TypeError);
    expect(() => new AddressCache().encode({ ...inet(1), port: -1 }, 'sendto')).toThrow(RangeError);
  });
});

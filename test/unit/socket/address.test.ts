import type { SocketAddress } from '#lib/contract/addresses';
import { describe, expect, it } from 'vitest';
import { nativeBinding } from '#lib/binding';
import { decodeAddress, encodeAddress, errorTarget } from '#lib/socket/address';
import { AF_INET, AF_INET6, AF_UNIX, constant, thrown } from './kit';
import { detach } from './memory';

const { unixPathMax, sockaddrMax } = nativeBinding().limits;
const roundTrip = (address: SocketAddress): unknown => {
  const { bytes, length } = encodeAddress(address, 'test');
  return decodeAddress(bytes, length);
};

describe('encodeAddress and decodeAddress', () => {
  it.each<SocketAddress>([
    { address: '127.0.0.1', port: 0, family: 'IPv4' },
    { address: '255.255.255.255', port: 65535, family: 'IPv4' },
    { address: '::', port: 80, family: 'IPv6' },
    { address: '2001:db8::1', port: 1, family: 'IPv6', flowinfo: 0xfffff },
    { address: 'fe80::1', port: 1, family: 'IPv6', scopeId: 0xffffffff },
    { address: '::ffff:10.0.0.1', port: 1, family: 'IPv6' },
    '/tmp/socket',
    'relative',
    '/tmp/söckét ☃',
    '\ufeffmark',
    '',
    '\0',
    '\0abstract',
    '\0abs\0tract\0',
    '/'.repeat(unixPathMax - 1),
    `\0${'a'.repeat(unixPathMax - 1)}`,
  ])('%j comes back as it was', (address) => {
    expect(roundTrip(address)).toEqual(address);
  });

  it('bytes that are UTF-8 are decoded as text, others as bytes in new memory', () => {
    expect(roundTrip(Buffer.from('/tmp/socket'))).toBe('/tmp/socket');
    const bytes = Uint8Array.of(0x2f, 0xff, 0xfe);
    const { bytes: sockaddr, length } = encodeAddress(bytes, 'test');
    const decoded = decodeAddress(sockaddr, length) as Uint8Array;
    sockaddr.fill(0);
    expect(decoded).toEqual(bytes);
    expect(roundTrip(Uint8Array.of(0, 0xff, 0))).toEqual(Uint8Array.of(0, 0xff, 0));
  });

  it('the family may be left out', () => {
    expect(roundTrip({ address: '::1', port: 7 } as never)).toEqual({
      address: '::1',
      port: 7,
      family: 'IPv6',
    });
    expect(roundTrip({ address: '127.0.0.1', port: 7 } as never)).toEqual({
      address: '127.0.0.1',
      port: 7,
      family: 'IPv4',
    });
  });

  it('other families are raw bytes, in new memory', () => {
    const sockaddr = new Uint8Array(12);
    new Uint16Array(sockaddr.buffer)[0] = constant('AF_NETLINK');
    sockaddr[11] = 7;
    const encoded = encodeAddress({ sockaddr }, 'test');
    const decoded = decodeAddress(encoded.bytes, encoded.length) as { sockaddr: Uint8Array };
    expect(decoded).toEqual({ sockaddr });
    sockaddr[11] = 8;
    expect(encoded.bytes[11]).toBe(7);
    expect(decoded.sockaddr[11]).toBe(7);
  });

  it('a sockaddr that is too short for its family stays raw', () => {
    const { bytes } = encodeAddress({ address: '127.0.0.1', port: 1, family: 'IPv4' }, 'test');
    expect(decodeAddress(bytes, 4)).toEqual({ sockaddr: bytes.slice(0, 4) });
    expect(decodeAddress(bytes, 1)).toEqual({ sockaddr: bytes.slice(0, 1) });
    expect(decodeAddress(bytes, 0)).toBe(null);
  });

  it('a path that fills sun_path without a NUL is read to its end', () => {
    const bytes = new Uint8Array(sockaddrMax);
    new Uint16Array(bytes.buffer)[0] = AF_UNIX;
    bytes.fill(0x61, 2, 2 + unixPathMax);
    expect(decodeAddress(bytes, 2 + unixPathMax + 1)).toBe('a'.repeat(unixPathMax));
  });

  it('a path that is too long is ENAMETOOLONG, and is never cut', () => {
    for (const path of [
      'a'.repeat(unixPathMax),
      `\0${'a'.repeat(unixPathMax)}`,
      new Uint8Array(unixPathMax + 1).fill(97),
      'ö'.repeat(unixPathMax / 2),
    ]) {
      expect(thrown(() => encodeAddress(path, 'bind'))).toMatchObject({
        code: 'ENAMETOOLONG',
        errno: -36,
        syscall: 'bind',
        path: Buffer.from(path).toString(),
      });
    }
  });

  it('an invalid address is a TypeError or RangeError, before any system call', () => {
    const inet = { address: '127.0.0.1', port: 1, family: 'IPv4' };
    const gone = new Uint8Array(3);
    detach(gone);
    const types: unknown[] = [
      undefined,
      null,
      5,
      true,
      {},
      [],
      new DataView(new ArrayBuffer(3)),
      'a\0b',
      Buffer.from('a\0'),
      gone,
      { ...inet, address: undefined },
      { ...inet, address: 5 },
      { ...inet, address: '' },
      { ...inet, address: 'localhost' },
      { ...inet, address: '127.0.0.256' },
      { ...inet, address: '127.0.0.1\0' },
      { ...inet, address: '127.1' },
      { address: 'fe80::1%lo', port: 1, family: 'IPv6' },
      { ...inet, family: 'IPv6' },
      { ...inet, family: 'ipv4' },
      { ...inet, family: 4 },
      { ...inet, address: '::1' },
      { ...inet, port: '1' },
      { ...inet, port: undefined },
      { sockaddr: [1, 2] },
      { sockaddr: undefined },
      { sockaddr: gone },
    ];
    for (const address of types) {
      expect(
        thrown(() => encodeAddress(address as never, 'bind')),
        JSON.stringify(address),
      ).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    }
    const ranges: unknown[] = [
      { ...inet, port: -1 },
      { ...inet, port: 65536 },
      { ...inet, port: 1.5 },
      { ...inet, port: NaN },
      { ...inet, flowinfo: -1 },
      { ...inet, scopeId: 2 ** 32 },
      { sockaddr: new Uint8Array(0) },
      { sockaddr: new Uint8Array(1) },
      { sockaddr: new Uint8Array(sockaddrMax + 1) },
    ];
    for (const address of ranges) {
      expect(
        thrown(() => encodeAddress(address as never, 'bind')),
        JSON.stringify(address),
      ).toMatchObject({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
    }
    expect(
      thrown(() => encodeAddress({ ...inet, port: 65536 } as never, 'bind')).message,
    ).toContain('Received 65536');
  });

  it('encodes families with the numbers of the platform', () => {
    const family = (address: SocketAddress): number | undefined =>
      new Uint16Array(encodeAddress(address, 'test').bytes.buffer)[0];
    expect(family('x')).toBe(AF_UNIX);
    expect(family({ address: '1.2.3.4', port: 1, family: 'IPv4' })).toBe(AF_INET);
    expect(family({ address: '::', port: 1, family: 'IPv6' })).toBe(AF_INET6);
  });
});

describe('errorTarget', () => {
  it("returns the properties that Node's errors have", () => {
    expect(errorTarget({ address: '::1', port: 5, family: 'IPv6' })).toEqual({
      address: '::1',
      port: 5,
    });
    expect(errorTarget('/path')).toEqual({ path: '/path' });
    expect(errorTarget(Buffer.from('/path'))).toEqual({ path: '/path' });
    expect(errorTarget({ sockaddr: new Uint8Array(12) })).toEqual({});
  });
});

import { describe, expect, it } from 'vitest';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  constant,
  decode,
  EINVAL,
  inet,
  limits,
  native,
  outcome,
  unix,
} from './kit';

const out = (): Uint8Array => new Uint8Array(limits.sockaddrMax);
const text = (value: string): Uint8Array => Buffer.from(value);

describe('encodeInet', () => {
  it('is the inverse of decodeInet', () => {
    expect(decode(inet('192.0.2.7', 8080))).toEqual(['192.0.2.7', 8080, 0, 0]);
    expect(decode(inet('255.255.255.255', 65_535))).toEqual(['255.255.255.255', 65_535, 0, 0]);
    expect(decode(inet('2001:db8::1', 1, 0xabcde, 4_294_967_295))).toEqual([
      '2001:db8::1',
      1,
      0xabcde,
      4_294_967_295,
    ]);
    expect(decode(inet('::ffff:192.0.2.7', 0))).toEqual(['::ffff:192.0.2.7', 0, 0, 0]);
    expect(decode(inet('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 0))[0]).toBe(
      'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
    );
  });

  it('stores the family and the port as the kernel reads them', () => {
    const { bytes, length } = inet('127.0.0.1', 0x1234);
    expect(length).toBe(16);
    expect([...bytes.subarray(2, 8)]).toEqual([0x12, 0x34, 127, 0, 0, 1]);
    expect(native.sockaddrFamily(bytes, length)).toBe(AF_INET);
    expect(native.sockaddrFamily(inet('::1', 1).bytes, 28)).toBe(AF_INET6);
  });

  it('refuses a text that is no numeric address', () => {
    const longest = '0000:0000:0000:0000:0000:ffff:192.168.100.228';
    expect(native.encodeInet(out(), longest, 0, 0, 0)).toBe(28);
    for (const bad of [
      '',
      'localhost',
      '1.2.3',
      '1.2.3.4.5',
      '01.2.3.4x',
      '::1%lo',
      ':::',
      '127.0.0.1\0',
      '127.0.0.1 ',
      `${longest}0`,
      'ä'.repeat(60),
    ])
      expect(native.encodeInet(out(), bad, 0, 0, 0), bad).toBe(EINVAL);
  });

  it('refuses ports, flow labels and scopes that do not fit, and a short buffer', () => {
    for (const port of [-1, 65_536, Infinity, 2 ** 53])
      expect(native.encodeInet(out(), '::1', port, 0, 0), String(port)).toBe(EINVAL);
    expect(native.encodeInet(out(), '::1', 0, 2 ** 32, 0)).toBe(EINVAL);
    expect(native.encodeInet(out(), '::1', 0, 0, 2 ** 32)).toBe(EINVAL);
    expect(native.encodeInet(new Uint8Array(27), '127.0.0.1', 0, 0, 0)).toBe(EINVAL);
  });
});

describe('decodeInet', () => {
  it('reads a sockaddr at an odd address', () => {
    const { bytes, length } = inet('2001:db8::2', 53);
    const shifted = new Uint8Array(limits.sockaddrMax + 1).subarray(1);
    shifted.set(bytes);
    expect(decode({ bytes: shifted, length })).toEqual(['2001:db8::2', 53, 0, 0]);
  });

  it('refuses other families, truncated addresses and lengths beyond the view', () => {
    const fields = new Uint32Array(3);
    const { bytes } = inet('127.0.0.1', 1);
    const EAFNOSUPPORT = constant('UV_EAFNOSUPPORT');
    expect(native.decodeInet(bytes, 15, fields)).toBe(EAFNOSUPPORT);
    expect(native.decodeInet(unix('/x').bytes, 5, fields)).toBe(EAFNOSUPPORT);
    expect(native.decodeInet(bytes, 1, fields)).toBe(EINVAL);
    expect(native.decodeInet(bytes, limits.sockaddrMax + 1, fields)).toBe(EINVAL);
    expect(native.decodeInet(bytes, 16, new Uint32Array(2))).toBe(EINVAL);
    expect(native.decodeInet(bytes, 16, new Int32Array(3) as never)).toBe(EINVAL);
  });
});

describe('encodeUnix', () => {
  const path = ({ bytes, length }: { bytes: Uint8Array; length: number }): string =>
    Buffer.from(bytes.subarray(limits.unixPathOffset, length)).toString();

  it('ends a path with NUL, keeps an abstract name, and encodes the unnamed address', () => {
    expect(path(unix('/tmp/a'))).toBe('/tmp/a\0');
    expect(path(unix('\0a\0b'))).toBe('\0a\0b');
    expect(unix('').length).toBe(limits.unixPathOffset);
    expect(native.sockaddrFamily(unix('').bytes, unix('').length)).toBe(AF_UNIX);
  });

  it('takes the longest path and the longest abstract name, and truncates nothing', () => {
    const { unixPathMax, unixPathOffset } = limits;
    expect(unix('p'.repeat(unixPathMax - 1)).length).toBe(unixPathOffset + unixPathMax);
    expect(outcome(native.encodeUnix(out(), text('p'.repeat(unixPathMax))))).toBe('ENAMETOOLONG');
    expect(unix(`\0${'p'.repeat(unixPathMax - 1)}`).length).toBe(unixPathOffset + unixPathMax);
    expect(outcome(native.encodeUnix(out(), text(`\0${'p'.repeat(unixPathMax)}`)))).toBe(
      'ENAMETOOLONG',
    );
    expect(outcome(native.encodeUnix(out(), text('p'.repeat(100_000))))).toBe('ENAMETOOLONG');
  });

  it('refuses a path with a NUL in it, because the kernel would open another file', () => {
    expect(native.encodeUnix(out(), text('/tmp/a\0b'))).toBe(EINVAL);
  });

  it('refuses a short buffer', () => {
    expect(native.encodeUnix(new Uint8Array(100), text('/tmp/a'))).toBe(EINVAL);
  });
});

describe('sockaddrFamily', () => {
  it('refuses lengths that are too short for a family, or beyond the view', () => {
    expect(native.sockaddrFamily(new Uint8Array(8), 1)).toBe(EINVAL);
    expect(native.sockaddrFamily(new Uint8Array(1), 2)).toBe(EINVAL);
    expect(native.sockaddrFamily(new Uint8Array(2), 2)).toBe(0);
  });
});

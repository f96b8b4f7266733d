import os from 'node:os';
import { describe, expect, it, vi } from 'vitest';
import { checkInetAddress, hostText, inetAddress, pipePath } from '#lib/backends/node/address';
import { scopeIdOf } from '#lib/backends/node/zones';

describe('inetAddress and hostText', () => {
  it('split the zone from an address, and join them again', () => {
    const interfaces = {
      // The scope of a global address is 0.
      eth7: [
        { address: '192.0.2.1', family: 'IPv4' },
        { address: '2001:db8::1', family: 'IPv6', scopeid: 0 },
        { address: 'fe80::1', family: 'IPv6', scopeid: 7 },
      ],
    } as unknown as ReturnType<typeof os.networkInterfaces>;
    const spy = vi.spyOn(os, 'networkInterfaces').mockReturnValue(interfaces);
    try {
      expect(inetAddress('fe80::1%eth7', 80)).toEqual({
        address: 'fe80::1',
        port: 80,
        family: 'IPv6',
        scopeId: 7,
      });
      expect(hostText({ address: 'fe80::1', port: 80, family: 'IPv6', scopeId: 7 })).toBe(
        'fe80::1%eth7',
      );
      // An unknown interface keeps its number.
      expect(hostText({ address: 'fe80::1', port: 80, family: 'IPv6', scopeId: 9 })).toBe(
        'fe80::1%9',
      );
      expect(scopeIdOf('12')).toBe(12);
      expect(scopeIdOf('nowhere')).toBe(0);
    } finally {
      spy.mockRestore();
    }
  });

  it('do not change addresses without a zone', () => {
    expect(inetAddress('127.0.0.1', 80)).toEqual({
      address: '127.0.0.1',
      port: 80,
      family: 'IPv4',
    });
    expect(inetAddress('::1', 80)).toEqual({ address: '::1', port: 80, family: 'IPv6' });
    expect(hostText({ address: '::1', port: 80, family: 'IPv6' })).toBe('::1');
  });
});

describe('checkInetAddress', () => {
  it('accepts numeric addresses and refuses everything else', () => {
    const address = { address: '127.0.0.1', port: 80, family: 'IPv4' };
    expect(() => checkInetAddress(address)).not.toThrow();
    for (const other of [
      null,
      5,
      {},
      { ...address, address: 'localhost' },
      { ...address, address: 'fe80::1%lo' },
      { ...address, port: '80' },
    ]) {
      expect(() => checkInetAddress(other)).toThrow(TypeError);
    }
    for (const other of [
      { ...address, port: -1 },
      { ...address, scopeId: -1 },
    ])
      expect(() => checkInetAddress(other)).toThrow(RangeError);
  });

  it('refuses a flow label, which net cannot set', () => {
    expect(() =>
      checkInetAddress({ address: '::1', port: 80, family: 'IPv6', flowinfo: 1 }),
    ).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED_OPERATION' }));
  });
});

describe('pipePath', () => {
  it('returns text that fits into sun_path', () => {
    expect(pipePath('path', '/tmp/s', 'bind')).toBe('/tmp/s');
    expect(pipePath('path', Buffer.from('/tmp/ü'), 'bind')).toBe('/tmp/ü');
    expect(pipePath('path', 'x'.repeat(103), 'bind')).toHaveLength(103);
    expect(() => pipePath('path', 'ü'.repeat(60), 'bind')).toThrow(
      expect.objectContaining({ code: 'ENAMETOOLONG', syscall: 'bind' }),
    );
    expect(() => pipePath('path', '', 'connect')).toThrow(
      expect.objectContaining({ code: 'EINVAL' }),
    );
  });

  it('refuses bytes that are not UTF-8, and NUL bytes within a path', () => {
    expect(() => pipePath('path', Uint8Array.from([0x2f, 0xff]), 'bind')).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED_OPERATION' }),
    );
    expect(() => pipePath('path', 'a\0b', 'bind')).toThrow(TypeError);
    expect(() => pipePath('path', 5 as unknown as string, 'bind')).toThrow(TypeError);
  });
});

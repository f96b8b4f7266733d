import { describe, expect, it } from 'vitest';
import type { AsyncBackend } from '#lib/contract/backend';
import { connectFlags, resolveHost } from '#lib/networking/resolve-host';
import { rejection } from '../concurrency/fixture';
import { numbers } from './fake-driver';

const hints = { family: 0, type: numbers.SOCK_STREAM, flags: 0 };

/** Resolves, and counts what it asks the backend for: every look-up finds nothing. */
function fakeResolver(): { asked: string[]; resolve: ResolveWithout } {
  const asked: string[] = [];
  const backend = {
    getaddrinfo: async (host: string) => {
      asked.push(host);
      return [];
    },
  } as unknown as AsyncBackend;
  return { asked, resolve: (...args) => resolveHost(backend, numbers, ...args) };
}
type Tail<T> = T extends [unknown, unknown, ...infer R] ? R : never;
type ResolveWithout = (
  ...args: Tail<Parameters<typeof resolveHost>>
) => ReturnType<typeof resolveHost>;

describe('resolveHost', () => {
  it('asks the backend neither for a numeric address nor for every interface', async () => {
    const { asked, resolve } = fakeResolver();
    expect(await resolve('127.0.0.1', 80, hints)).toEqual([
      { address: '127.0.0.1', port: 80, family: 'IPv4' },
    ]);
    expect(await resolve('::1', 80, hints)).toEqual([{ address: '::1', port: 80, family: 'IPv6' }]);
    expect(await resolve(null, 80, hints)).toEqual([
      { address: '0.0.0.0', port: 80, family: 'IPv4' },
      { address: '::', port: 80, family: 'IPv6' },
    ]);
    expect(asked).toEqual([]);
  });

  it('asks for a name, an address with a zone and an address of another family; no address is ENOTFOUND', async () => {
    const { asked, resolve } = fakeResolver();
    const waiting = [
      resolve('a.test', 1, hints),
      resolve('fe80::1%lo', 1, hints),
      resolve('::1', 1, { ...hints, family: numbers.AF_INET }),
    ];
    expect(asked).toEqual(['a.test', 'fe80::1%lo', '::1']);
    for (const promise of waiting)
      expect(await rejection(promise)).toMatchObject({ code: 'ENOTFOUND' });
  });
});

describe('connectFlags', () => {
  it('is AI_ADDRCONFIG, but not for localhost: a machine with loopback addresses alone has it too', () => {
    expect(connectFlags(numbers, 'example.org')).toBe(numbers.AI_ADDRCONFIG);
    expect(connectFlags(numbers, 'localhost.example.org')).toBe(numbers.AI_ADDRCONFIG);
    expect(connectFlags(numbers, 'localhost')).toBe(0);
    expect(connectFlags(numbers, 'db.localhost')).toBe(0);
  });
});

import { lookup } from 'node:dns/promises';
import { describe, expect, it } from 'vitest';
import { expectNoLeaks } from '../support/fds';
import {
  AF_INET,
  AF_INET6,
  constant,
  decode,
  EINVAL,
  inet,
  native,
  ok,
  SOCK_DGRAM,
  SOCK_STREAM,
} from './kit';

expectNoLeaks();

const EAI = (name: string): number => constant(`UV_EAI_${name}`);

interface Hints {
  readonly family?: number;
  readonly type?: number;
  readonly proto?: number;
  readonly flags?: number;
}

type Entry = readonly [
  family: number,
  type: number,
  proto: number,
  canonname: string,
  sockaddr: Uint8Array,
];

function getaddrinfo(
  host: string | null,
  service: string | null,
  { family = 0, type = 0, proto = 0, flags = 0 }: Hints = {},
): Promise<{ readonly status: number; readonly entries: readonly Entry[] | null }> {
  return new Promise((resolve) => {
    ok(
      native.getaddrinfo(host, service, family, type, proto, flags, (status, entries) =>
        resolve({ status, entries }),
      ),
    );
  });
}

function getnameinfo(
  { bytes, length }: { readonly bytes: Uint8Array; readonly length: number },
  flags: number,
): Promise<[number, string, string]> {
  return new Promise((resolve) => {
    ok(native.getnameinfo(bytes, length, flags, (...results) => resolve(results)));
  });
}

const addressesOf = (entries: readonly Entry[] | null): (string | number)[][] =>
  (entries ?? []).map(([, , , , bytes]) => decode({ bytes, length: bytes.length }));

describe('getaddrinfo', () => {
  it('returns numeric addresses, with port, type and protocol', async () => {
    const { status, entries } = await getaddrinfo('127.0.0.1', '8080', { type: SOCK_STREAM });
    expect(status).toBe(0);
    expect(entries?.map((entry) => entry.slice(0, 4))).toEqual([
      [AF_INET, SOCK_STREAM, constant('IPPROTO_TCP'), ''],
    ]);
    expect(addressesOf(entries)).toEqual([['127.0.0.1', 8080, 0, 0]]);
    const v6 = await getaddrinfo('2001:db8::1', '53', { type: SOCK_DGRAM });
    expect(v6.entries?.[0]?.[0]).toBe(AF_INET6);
    expect(addressesOf(v6.entries)).toEqual([['2001:db8::1', 53, 0, 0]]);
  });

  it('finds the addresses that node:dns finds', async () => {
    const theirs = await lookup('localhost', { all: true, verbatim: true });
    const { entries } = await getaddrinfo('localhost', null, { type: SOCK_STREAM });
    const ours = addressesOf(entries).map(([address]) => address);
    expect(ours.sort()).toEqual(theirs.map(({ address }) => address).sort());
  });

  it('finds a service by name, and every socket type of a service', async () => {
    const { entries } = await getaddrinfo('127.0.0.1', 'http', { proto: constant('IPPROTO_TCP') });
    expect(addressesOf(entries)).toEqual([['127.0.0.1', 80, 0, 0]]);
    const all = await getaddrinfo('127.0.0.1', '1');
    expect(all.entries?.map(([, type]) => type)).toEqual(
      expect.arrayContaining([SOCK_STREAM, SOCK_DGRAM]),
    );
  });

  it('follows its hints: passive, canonical name, numeric only, one family', async () => {
    const passive = await getaddrinfo(null, '80', {
      flags: constant('AI_PASSIVE'),
      family: AF_INET,
      type: SOCK_STREAM,
    });
    expect(addressesOf(passive.entries)).toEqual([['0.0.0.0', 80, 0, 0]]);
    const loopback = await getaddrinfo(null, '80', { family: AF_INET, type: SOCK_STREAM });
    expect(addressesOf(loopback.entries)).toEqual([['127.0.0.1', 80, 0, 0]]);
    const canonical = await getaddrinfo('127.0.0.1', null, {
      flags: constant('AI_CANONNAME'),
      type: SOCK_STREAM,
    });
    expect(canonical.entries?.[0]?.[3]).toBe('127.0.0.1');
    const numeric = await getaddrinfo('localhost', null, { flags: constant('AI_NUMERICHOST') });
    expect(numeric).toEqual({ status: EAI('NONAME'), entries: null });
    const wrongFamily = await getaddrinfo('127.0.0.1', null, {
      family: AF_INET6,
      flags: constant('AI_NUMERICHOST'),
    });
    expect([EAI('ADDRFAMILY'), EAI('NONAME'), EAI('FAMILY')]).toContain(wrongFamily.status);
  });

  it('fails with the codes of libuv', async () => {
    expect((await getaddrinfo(null, null)).status).toBe(EAI('NONAME'));
    expect((await getaddrinfo('127.0.0.1', 'no such service')).status).toBe(EAI('SERVICE'));
    expect((await getaddrinfo('127.0.0.1', null, { family: 9999 })).status).toBe(EAI('FAMILY'));
    expect((await getaddrinfo('127.0.0.1', null, { type: 9999 })).status).toBe(EAI('SOCKTYPE'));
    expect((await getaddrinfo('127.0.0.1', null, { flags: 0x40000000 })).status).toBe(
      EAI('BADFLAGS'),
    );
  });

  it('delivers each of many look-ups once', async () => {
    const answers: number[] = [];
    await Promise.all(
      Array.from(
        { length: 500 },
        (_, i) =>
          new Promise<void>((resolve) => {
            ok(
              native.getaddrinfo(
                '127.0.0.1',
                String(i + 1),
                AF_INET,
                SOCK_STREAM,
                0,
                0,
                (__, entries) => {
                  answers.push(Number(addressesOf(entries)[0]?.[1]));
                  resolve();
                },
              ),
            );
          }),
      ),
    );
    expect(answers.sort((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, i) => i + 1));
  });

  it('delivers after it has returned', async () => {
    let delivered = false;
    await new Promise<void>((resolve) => {
      ok(
        native.getaddrinfo('127.0.0.1', null, 0, 0, 0, 0, () => {
          delivered = true;
          resolve();
        }),
      );
      expect(delivered).toBe(false);
    });
  });

  it('refuses invalid arguments, and does not deliver then', () => {
    const never = (): never => {
      throw new Error('delivered');
    };
    for (const bad of [1, undefined, {}, 'with\0nul', 'x'.repeat(1025)]) {
      expect(native.getaddrinfo(bad as never, null, 0, 0, 0, 0, never)).toBe(EINVAL);
      expect(native.getaddrinfo(null, bad as never, 0, 0, 0, 0, never)).toBe(EINVAL);
    }
    expect(native.getaddrinfo('127.0.0.1', null, 'x' as never, 0, 0, 0, never)).toBe(EINVAL);
    for (const bad of [undefined, null, {}, 'f'])
      expect(native.getaddrinfo('127.0.0.1', null, 0, 0, 0, 0, bad as never)).toBe(EINVAL);
  });
});

describe('getnameinfo', () => {
  it('returns the names of an address and of a service', async () => {
    const numeric = constant('NI_NUMERICHOST') | constant('NI_NUMERICSERV');
    expect(await getnameinfo(inet('192.0.2.1', 80), numeric)).toEqual([0, '192.0.2.1', '80']);
    expect(await getnameinfo(inet('2001:db8::1', 443), numeric)).toEqual([0, '2001:db8::1', '443']);
    const [, , service] = await getnameinfo(inet('127.0.0.1', 80), constant('NI_NUMERICHOST'));
    expect(service).toBe('http');
  });

  it('fails with the codes of libuv', async () => {
    expect(await getnameinfo({ bytes: inet('127.0.0.1', 1).bytes, length: 4 }, 0)).toEqual([
      EAI('FAMILY'),
      '',
      '',
    ]);
    expect((await getnameinfo(inet('127.0.0.1', 1), 0x40000000))[0]).toBe(EAI('BADFLAGS'));
  });

  it('refuses lengths beyond the view, and invalid arguments', () => {
    const { bytes } = inet('127.0.0.1', 1);
    const never = (): never => {
      throw new Error('delivered');
    };
    expect(native.getnameinfo(bytes, 129, 0, never)).toBe(EINVAL);
    expect(native.getnameinfo(bytes.subarray(0, 8), 16, 0, never)).toBe(EINVAL);
    expect(native.getnameinfo(new Uint8Array(1000), 1000, 0, never)).toBe(EINVAL);
    expect(native.getnameinfo(bytes, 16, 0, undefined as never)).toBe(EINVAL);
  });
});

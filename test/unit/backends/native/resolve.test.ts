import { afterEach, describe, expect, it, vi } from 'vitest';
import { nativeBinding } from '#lib/binding';
import { NativeBackend } from '#lib/backends/native/backend';
import type { AsyncBackend } from '#lib/contract/backend';
import { rejection } from '../../concurrency/fixture';

const native = nativeBinding();
const {
  AF_INET = 0,
  SOCK_STREAM = 0,
  UV_EAI_NONAME = 0,
  UV_EAI_AGAIN = 0,
  UV_EAI_MEMORY = 0,
} = native.constants;
const backend: AsyncBackend = new NativeBackend();
const getaddrinfo: AsyncBackend['getaddrinfo'] = (...args) => backend.getaddrinfo(...args);
const getnameinfo: AsyncBackend['getnameinfo'] = (...args) => backend.getnameinfo(...args);

type Deliver = Parameters<typeof native.getaddrinfo>[6];

/** A resolver that answers when the test calls `deliver`. */
function fakeResolver(): {
  readonly asked: { host: string | null; service: string | null; deliver: Deliver }[];
} {
  const asked: { host: string | null; service: string | null; deliver: Deliver }[] = [];
  vi.spyOn(native, 'getaddrinfo').mockImplementation(
    (host, service, _family, _type, _proto, _flags, deliver) => {
      asked.push({ host, service, deliver });
      return 0;
    },
  );
  return { asked };
}

function sockaddr(address: string, port: number): Uint8Array {
  const bytes = new Uint8Array(native.limits.sockaddrMax);
  return bytes.slice(0, native.encodeInet(bytes, address, port, 0, 0));
}

const entry = (address: string) => [AF_INET, SOCK_STREAM, 6, '', sockaddr(address, 80)] as const;

afterEach(() => vi.restoreAllMocks());

describe('getaddrinfo', () => {
  it('asks once for all callers that ask the same, and gives each an answer of its own', async () => {
    const { asked } = fakeResolver();
    const [first, second, other] = [
      getaddrinfo('a.test', 80),
      getaddrinfo('a.test', 80),
      getaddrinfo('a.test', 80, { type: SOCK_STREAM }),
    ];
    await Promise.resolve();
    expect(asked.map(({ host, service }) => [host, service])).toEqual([
      ['a.test', '80'],
      ['a.test', '80'],
    ]);
    asked[0]!.deliver(0, [entry('192.0.2.1')]);
    asked[1]!.deliver(0, [entry('192.0.2.2')]);
    const expected = {
      family: AF_INET,
      type: SOCK_STREAM,
      proto: 6,
      canonname: '',
      address: { address: '192.0.2.1', port: 80, family: 'IPv4' },
    };
    expect(await first).toEqual([expected]);
    (await first).pop();
    expect(await second).toEqual([expected]);
    expect((await other)[0]?.address.address).toBe('192.0.2.2');

    const later = getaddrinfo('a.test', 80);
    await Promise.resolve();
    expect(asked).toHaveLength(3);
    asked[2]!.deliver(UV_EAI_NONAME, null);
    await rejection(later);
  });

  it('rejects a cancelled caller at once, and answers the other callers', async () => {
    const { asked } = fakeResolver();
    const scope = backend.openCancelScope();
    const leaving = scope.run(() => getaddrinfo('b.test', null));
    const staying = getaddrinfo('b.test', null);
    await Promise.resolve();
    scope.cancel();
    expect(await leaving).toBeUndefined();
    expect(asked).toHaveLength(1);
    asked[0]!.deliver(0, [entry('192.0.2.3')]);
    expect(await staying).toHaveLength(1);
  });

  it('drops an answer that no caller waits for any more', async () => {
    const { asked } = fakeResolver();
    const scope = backend.openCancelScope();
    const leaving = scope.run(() => getaddrinfo('c.test', null));
    scope.cancel();
    expect(await leaving).toBeUndefined();
    asked[0]!.deliver(UV_EAI_AGAIN, null);
  });

  it('begins no look-up in a cancelled scope', async () => {
    const { asked } = fakeResolver();
    const scope = backend.openCancelScope();
    scope.cancel();
    expect(await scope.run(() => getaddrinfo('d.test', null))).toBeUndefined();
    expect(asked).toHaveLength(0);
  });

  it.each([
    [UV_EAI_NONAME, 'ENOTFOUND'],
    [UV_EAI_AGAIN, 'EAI_AGAIN'],
    [UV_EAI_MEMORY, 'EAI_MEMORY'],
  ])(
    'turns code %d into %s, with the name that was asked for and an error for each caller',
    async (code, name) => {
      const { asked } = fakeResolver();
      const both = [
        rejection(getaddrinfo('müller.test', 80)),
        rejection(getaddrinfo('müller.test', 80)),
      ];
      await Promise.resolve();
      expect(asked.map(({ host }) => host)).toEqual(['xn--mller-kva.test']);
      asked[0]!.deliver(code, null);
      const [first, second] = await Promise.all(both);
      expect(first).toMatchObject({
        code: name,
        errno: code,
        syscall: 'getaddrinfo',
        hostname: 'müller.test',
      });
      expect(first).not.toBe(second);
    },
  );

  it('rejects at once if the look-up cannot begin, and asks again the next time', async () => {
    const begin = vi.spyOn(native, 'getaddrinfo').mockReturnValue(UV_EAI_MEMORY);
    expect(await rejection(getaddrinfo('e.test', null))).toMatchObject({
      code: 'EAI_MEMORY',
      hostname: 'e.test',
    });
    expect(await rejection(getaddrinfo('e.test', null))).toMatchObject({ code: 'EAI_MEMORY' });
    expect(begin).toHaveBeenCalledTimes(2);
  });

  it('rejects invalid hosts, ports and hints', async () => {
    const { asked } = fakeResolver();
    for (const host of [5, undefined, {}, 'a\0b'])
      expect(await rejection(getaddrinfo(host as never, 80))).toBeInstanceOf(TypeError);
    for (const port of [{}, true, undefined])
      expect(await rejection(getaddrinfo('a', port as never))).toBeInstanceOf(TypeError);
    for (const port of [-1, 65536, 1.5])
      expect(await rejection(getaddrinfo('a', port))).toBeInstanceOf(RangeError);
    for (const hint of ['family', 'type', 'proto', 'flags']) {
      expect(await rejection(getaddrinfo('a', 1, { [hint]: 'x' }))).toBeInstanceOf(TypeError);
      expect(await rejection(getaddrinfo('a', 1, { [hint]: -1 }))).toBeInstanceOf(RangeError);
    }
    expect(asked).toHaveLength(0);
  });
});

describe('getnameinfo', () => {
  it('rejects invalid addresses', async () => {
    for (const address of ['127.0.0.1', null, undefined, {}, { address: 5 }]) {
      expect(await rejection(getnameinfo(address as never))).toBeInstanceOf(TypeError);
    }
    expect(
      await rejection(getnameinfo({ address: 'name', port: 1, family: 'IPv4' })),
    ).toBeInstanceOf(TypeError);
    expect(
      await rejection(getnameinfo({ address: '127.0.0.1', port: 1, family: 'IPv4' }, -1)),
    ).toBeInstanceOf(RangeError);
  });

  it('rejects a cancelled caller at once', async () => {
    vi.spyOn(native, 'getnameinfo').mockReturnValue(0);
    const scope = backend.openCancelScope();
    const leaving = scope.run(() => getnameinfo({ address: '127.0.0.1', port: 1, family: 'IPv4' }));
    await Promise.resolve();
    scope.cancel();
    expect(await leaving).toBeUndefined();
  });
});

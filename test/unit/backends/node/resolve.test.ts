import * as dns from 'node:dns';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { NodeBackend } from '#lib/backends/node/backend';
import { CancelledError } from '#lib/errors';
import { rejection } from '../../concurrency/fixture';

const backend = new NodeBackend();

/** dns.lookup, which answers when the test calls a function of `asked`. */
function fakeLookup(): { readonly host: string; readonly fail: (error: Error) => void }[] {
  const asked: { host: string; fail: (error: Error) => void }[] = [];
  vi.spyOn(dns.promises, 'lookup').mockImplementation(
    (host: string) =>
      new Promise<never>((_resolve, reject) => {
        asked.push({ host, fail: reject });
      }),
  );
  return asked;
}

function notFound(hostname: string): Error {
  return Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), {
    code: 'ENOTFOUND',
    errno: -3008,
    syscall: 'getaddrinfo',
    hostname,
  });
}

afterEach(() => vi.restoreAllMocks());

describe('NodeBackend.getaddrinfo', () => {
  it('asks once for all callers that ask the same, and gives each an error of its own', async () => {
    const asked = fakeLookup();
    const both = [
      rejection(backend.getaddrinfo('a.test', 80)),
      rejection(backend.getaddrinfo('a.test', 81)),
    ];
    await Promise.resolve();
    expect(asked.map(({ host }) => host)).toEqual(['a.test']);
    asked[0]!.fail(notFound('a.test'));
    const [first, second] = await Promise.all(both);
    expect(first).toMatchObject({ code: 'ENOTFOUND', errno: -3008, hostname: 'a.test' });
    expect(second).toMatchObject({ code: 'ENOTFOUND', errno: -3008, hostname: 'a.test' });
    expect(first).not.toBe(second);
  });

  it('gives libuv no look-up that nobody waits for any more', async () => {
    const asked = fakeLookup();
    const scope = backend.openCancelScope();
    const names = Array.from({ length: 8 }, (_, i) => `slow${i}.test`);
    const asking = scope.run(() =>
      backend.gather(...names.map((name) => () => backend.getaddrinfo(name, 80))),
    );
    await vi.waitFor(() => {
      expect(asked.map(({ host }) => host)).toEqual(names.slice(0, 2));
    });
    const last = rejection(backend.getaddrinfo('last.test', 80));
    scope.cancel();
    await asking;
    for (const { host, fail } of [...asked]) fail(notFound(host));
    await vi.waitFor(() => {
      expect(asked.map(({ host }) => host)).toEqual([...names.slice(0, 2), 'last.test']);
    });
    asked[2]!.fail(notFound('last.test'));
    expect(await last).toMatchObject({ code: 'ENOTFOUND' });
  });
});

describe('NodeBackend.createTcpListeners', () => {
  it('rejects with the cancellation where one look-up failed and the scope cancelled the rest', async () => {
    const asked = fakeLookup();
    const scope = backend.openCancelScope();
    let error: unknown;
    const running = scope.run(async () => {
      error = await rejection(backend.createTcpListeners(['a.test', 'b.test'], 0));
    });
    await vi.waitFor(() => {
      expect(asked.map(({ host }) => host)).toEqual(['a.test', 'b.test']);
    });
    asked[0]!.fail(notFound('a.test'));
    await new Promise(setImmediate);
    scope.cancel();
    await running;
    expect(error).toBeInstanceOf(CancelledError);
  });
});

import { describe, expect, it } from 'vitest';
import { UnsupportedOperationError } from '#lib/errors';
import type { SocketDriver } from '#lib/networking/socket-driver';
import { rejection } from '../concurrency/fixture';
import { disposable, failed, FakeBackend, resolverOf } from './fake-driver';

interface Report {
  readonly steps: string[];
  readonly disposed: string[];
  readonly backend: FakeBackend;
}

/** A backend that notes what is bound and what listens; `bind` and `listen` may fail. */
function fake(
  names: Record<string, readonly string[]>,
  fails: { bind?: Record<string, unknown>; listen?: Record<string, unknown> } = {},
): Report {
  const steps: string[] = [];
  const disposed: string[] = [];
  const step = (what: 'bind' | 'listen', address: string): void => {
    steps.push(`${what} ${address}`);
    const failure = fails[what]?.[address];
    if (typeof failure === 'string')
      throw failed(failure, what, { address, port: 1, family: 'IPv4' });
    if (failure !== undefined) throw failure;
  };
  const driver: Partial<SocketDriver> = {
    getaddrinfo: resolverOf(names),
    bindTcp: (_backend, { address }) => {
      step('bind', address);
      const listener = disposable(address, disposed);
      return {
        listener,
        listen: () => {
          step('listen', address);
        },
      };
    },
    bindUdp: async (_backend, { address }) => {
      step('bind', address);
      return { listener: disposable(address, disposed) };
    },
  };
  return { steps, disposed, backend: new FakeBackend(driver) };
}

const namesOf = (listeners: readonly unknown[]): string[] =>
  (listeners as { name: string }[]).map(({ name }) => name);

describe('createTcpListeners', () => {
  it('binds the distinct addresses of all hosts, IPv4 first, and then lets all of them listen', async () => {
    const { backend, steps } = fake({ a: ['::1', '10.0.0.1'], b: ['10.0.0.1', '10.0.0.2'] });
    const listeners = await backend.createTcpListeners(['a', '::1', 'b'], 80);
    expect(namesOf(listeners)).toEqual(['10.0.0.1', '10.0.0.2', '::1']);
    expect(steps).toEqual([
      'bind 10.0.0.1',
      'bind 10.0.0.2',
      'bind ::1',
      'listen 10.0.0.1',
      'listen 10.0.0.2',
      'listen ::1',
    ]);
  });

  it.each(['EADDRNOTAVAIL', 'EAFNOSUPPORT'])(
    'passes over %s of an address that a name resolved to, while another can be bound',
    async (code) => {
      const { backend, disposed } = fake({ a: ['::1', '10.0.0.1'] }, { bind: { '::1': code } });
      expect(namesOf(await backend.createTcpListeners('a', 80))).toEqual(['10.0.0.1']);
      expect(namesOf(await backend.createUdpListeners('a', 80))).toEqual(['10.0.0.1']);
      expect(disposed).toEqual([]);
    },
  );

  it.each([null, ''])('listens for %j on the only family that the machine has', async (host) => {
    const { backend } = fake({}, { bind: { '::': 'EAFNOSUPPORT' } });
    expect(namesOf(await backend.createTcpListeners(host, 80))).toEqual(['0.0.0.0']);
  });

  it('does not pass over an address that the caller gave, also if a name resolved to it too', async () => {
    const { backend, disposed } = fake(
      { a: ['10.0.0.1', '::1'] },
      { bind: { '::1': 'EADDRNOTAVAIL' } },
    );
    const error = await rejection(backend.createTcpListeners(['::1', 'a'], 80));
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL' });
    expect(disposed).toEqual(['10.0.0.1']);
  });

  it('rejects with all errors if no address of a name can be bound', async () => {
    const { backend } = fake(
      { a: ['10.0.0.1', '::1'] },
      { bind: { '10.0.0.1': 'EADDRNOTAVAIL', '::1': 'EAFNOSUPPORT' } },
    );
    const error = (await rejection(backend.createTcpListeners('a', 80))) as AggregateError;
    expect(error.errors.map(({ code }: { code: string }) => code)).toEqual([
      'EADDRNOTAVAIL',
      'EAFNOSUPPORT',
    ]);
  });

  it('closes what was bound if an address is in use, and none listens', async () => {
    const { backend, steps, disposed } = fake(
      { a: ['10.0.0.1', '10.0.0.2', '10.0.0.3'] },
      { bind: { '10.0.0.2': 'EADDRINUSE' } },
    );
    expect(await rejection(backend.createTcpListeners('a', 80))).toMatchObject({
      code: 'EADDRINUSE',
    });
    expect(steps).toEqual(['bind 10.0.0.1', 'bind 10.0.0.2', 'bind 10.0.0.3']);
    expect(disposed).toEqual(['10.0.0.1', '10.0.0.3']);
  });

  it('closes all if one cannot listen', async () => {
    const { backend, disposed } = fake(
      { a: ['10.0.0.1', '10.0.0.2'] },
      { listen: { '10.0.0.2': 'EADDRINUSE' } },
    );
    expect(await rejection(backend.createTcpListeners('a', 80))).toMatchObject({
      code: 'EADDRINUSE',
      syscall: 'listen',
    });
    expect(disposed).toEqual(['10.0.0.1', '10.0.0.2']);
  });

  it('rejects at once with an error that is not of the system', async () => {
    const unsupported = new UnsupportedOperationError('planted');
    const { backend, steps, disposed } = fake(
      { a: ['10.0.0.1', '10.0.0.2', '10.0.0.3'] },
      { bind: { '10.0.0.2': unsupported } },
    );
    expect(await rejection(backend.createTcpListeners('a', 80))).toBe(unsupported);
    expect(steps).toEqual(['bind 10.0.0.1', 'bind 10.0.0.2']);
    expect(disposed).toEqual(['10.0.0.1']);
  });

  it('rejects with an error for each name that has no address', async () => {
    const { backend, steps } = fake({ a: ['10.0.0.1'] });
    const error = await rejection(backend.createTcpListeners(['b', 'a', 'c'], 80));
    expect((error as AggregateError).errors).toMatchObject([
      { code: 'ENOTFOUND', hostname: 'b' },
      { code: 'ENOTFOUND', hostname: 'c' },
    ]);
    expect(steps).toEqual([]);
  });
});

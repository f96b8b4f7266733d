import { describe, expect, it } from 'vitest';
import type { AsyncDatagramTransport } from '#lib/contract/transports';
import type { SocketDriver } from '#lib/networking/socket-driver';
import { rejection } from '../concurrency/fixture';
import { disposable, failed, FakeBackend, numbers, resolverOf } from './fake-driver';

interface Report {
  readonly backend: FakeBackend;
  /** `remote from local`, for each attempt. */
  readonly attempts: string[];
}

/** A backend whose attempts fail as `fails` says, by remote or local address. */
function fake(names: Record<string, readonly string[]>, fails: Record<string, string>): Report {
  const attempts: string[] = [];
  const connect: SocketDriver['connectTcp'] = async (_backend, remote, local) => {
    attempts.push(`${remote.address} from ${local?.address ?? 'any'}`);
    const bind = fails[local?.address ?? ''];
    if (local !== null && bind !== undefined) throw failed(bind, 'bind', local);
    const code = fails[remote.address];
    if (code !== undefined) throw failed(code, 'connect', remote);
    return disposable(remote.address, []);
  };
  const connectUdp = connect as unknown as SocketDriver['connectUdp'];
  const driver = { getaddrinfo: resolverOf(names), connectTcp: connect, connectUdp };
  return { attempts, backend: new FakeBackend(driver) };
}

describe.each(['createTcpConnection', 'createUdpEndpoint'] as const)('%s', (method) => {
  it('tries the local addresses of the same family until one can be bound', async () => {
    const { backend, attempts } = fake(
      { far: ['10.0.0.1'], near: ['::1', '10.0.0.7', '10.0.0.8', '10.0.0.9'] },
      { '10.0.0.7': 'EADDRNOTAVAIL' },
    );
    const localAddress = { host: 'near', port: 0 };
    const transport = await backend[method]('far', 80, { localAddress });
    expect(transport).toMatchObject({ name: '10.0.0.1' });
    expect(attempts).toEqual(['10.0.0.1 from 10.0.0.7', '10.0.0.1 from 10.0.0.8']);
  });

  it('does not try another local address if connecting failed', async () => {
    const { backend, attempts } = fake(
      { far: ['10.0.0.1'], near: ['10.0.0.7', '10.0.0.8'] },
      { '10.0.0.1': 'ENETUNREACH' },
    );
    const localAddress = { host: 'near', port: 0 };
    expect(await rejection(backend[method]('far', 80, { localAddress }))).toMatchObject({
      code: 'ENETUNREACH',
    });
    expect(attempts).toEqual(['10.0.0.1 from 10.0.0.7']);
  });

  it('rejects with EADDRNOTAVAIL without a local address of the family, and tries the other family', async () => {
    const names = { far: ['10.0.0.1', '::2'], six: ['::2'], near: ['10.0.0.7'] };
    const localAddress = { host: 'near', port: 9 };
    const { backend } = fake(names, {});
    expect(await backend[method]('far', 80, { localAddress })).toMatchObject({ name: '10.0.0.1' });
    const error = await rejection(backend[method]('six', 80, { localAddress }));
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', syscall: 'bind', port: 9 });
    expect((error as Error).message).toContain('no matching local address with family=IPv6 found');
  });

  it('tries all addresses, and rejects with all errors', async () => {
    const { backend, attempts } = fake(
      { far: ['10.0.0.1', '10.0.0.2'] },
      { '10.0.0.1': 'ECONNREFUSED', '10.0.0.2': 'ENETUNREACH' },
    );
    const error = await rejection(backend[method]('far', 80));
    expect(error).toBeInstanceOf(AggregateError);
    expect(error).toMatchObject({ code: 'ECONNREFUSED' });
    expect(attempts).toEqual(['10.0.0.1 from any', '10.0.0.2 from any']);
  });
});

describe('createUdpEndpoint', () => {
  it('takes the numbers of families that the driver has', async () => {
    const { backend } = fake({}, {});
    const udp = (family: number): Promise<AsyncDatagramTransport> =>
      backend.createUdpEndpoint('10.0.0.1', 80, { family });
    expect(await udp(numbers.AF_INET)).toMatchObject({ name: '10.0.0.1' });
    expect(await rejection(udp(2))).toMatchObject({
      code: 'ERR_OUT_OF_RANGE',
      message: expect.stringContaining(
        'AF_UNSPEC (0), AF_INET (1002) or AF_INET6 (1010)',
      ) as string,
    });
  });
});

describe('createUnixStreamConnection', () => {
  /** A listener whose backlog has room at the given attempt. */
  function busyListener(room: number): { backend: FakeBackend; times: number[]; open: string[] } {
    const times: number[] = [];
    const open: string[] = [];
    const backend = new FakeBackend({
      openUnixStream: (_backend, localPath) => {
        open.push(`open ${String(localPath)}`);
        return {
          connect: async () => {
            times.push(backend.currentTime());
            const target = { address: '/s', port: 0, family: 'IPv4' } as const;
            if (times.length === room) return disposable('connected', []);
            throw failed(times.length > room ? 'ENOENT' : 'EAGAIN', 'connect', target);
          },
          [Symbol.dispose]: () => open.push('dispose'),
        };
      },
    });
    return { backend, times, open };
  }

  it('tries again after 1 ms, then after twice as long each time, up to 32 ms', async () => {
    const { backend, times, open } = busyListener(9);
    await backend.bootstrap(() => backend.createUnixStreamConnection('/s', { localPath: '/me' }));
    const start = times[0] ?? 0;
    expect(times.map((time) => time - start)).toEqual([0, 1, 3, 7, 15, 31, 63, 95, 127]);
    // One socket for all attempts, so that the file of its local path stays.
    expect(open).toEqual(['open /me']);
  });

  it('disposes the socket if it fails, or is cancelled while it waits for room', async () => {
    const refused = busyListener(0);
    expect(await rejection(refused.backend.createUnixStreamConnection('/s'))).toMatchObject({
      code: 'ENOENT',
    });
    expect(refused.open).toEqual(['open undefined', 'dispose']);

    const { backend, open } = busyListener(1000);
    await backend.bootstrap(() =>
      backend.moveOnAfter(50).run(() => backend.createUnixStreamConnection('/s')),
    );
    expect(open).toEqual(['open undefined', 'dispose']);
  });
});

import { describe, expect, it } from 'vitest';
import type { AsyncBackend } from '#lib/contract/backend';
import { InvalidStateError } from '#lib/errors';
import {
  forgetEnvironmentFds,
  listenersFromEnvironment,
  readEnvironmentFds,
} from '#lib/networking/socket-activation';
import type { SocketDriver, SocketRole } from '#lib/networking/socket-driver';
import { rejection } from '../concurrency/fixture';
import { FakeBackend } from './fake-driver';

const own = String(process.pid);

describe('readEnvironmentFds', () => {
  it.each([
    [{}, []],
    [{ LISTEN_FDS: '1' }, []],
    [{ LISTEN_FDS: '1', LISTEN_PID: '1' }, []],
    [{ LISTEN_FDS: '0', LISTEN_PID: own }, []],
    [{ LISTEN_FDS: '1', LISTEN_PID: own }, [{ name: 'unknown', fd: 3 }]],
    [
      { LISTEN_FDS: '3', LISTEN_PID: own, LISTEN_FDNAMES: 'web:' },
      [
        { name: 'web', fd: 3 },
        { name: '', fd: 4 },
        { name: 'unknown', fd: 5 },
      ],
    ],
  ])('%j describes %j', (environment, expected) => {
    expect(readEnvironmentFds(environment)).toEqual(expected);
  });

  it.each(['', 'many', '-1', '1.5', '1e3', '99999', '0x10'])('rejects LISTEN_FDS=%j', (text) => {
    expect(() => readEnvironmentFds({ LISTEN_FDS: text, LISTEN_PID: own })).toThrow(
      InvalidStateError,
    );
  });
});

describe('forgetEnvironmentFds', () => {
  it('removes the variables of this process, and leaves those of another', () => {
    const mine = { LISTEN_FDS: '1', LISTEN_PID: own, LISTEN_FDNAMES: 'x', PATH: '/bin' };
    forgetEnvironmentFds(mine);
    expect(mine).toEqual({ PATH: '/bin' });
    const others = { LISTEN_FDS: '1', LISTEN_PID: '1' };
    forgetEnvironmentFds(others);
    expect(others).toEqual({ LISTEN_FDS: '1', LISTEN_PID: '1' });
  });
});

describe('listenersFromEnvironment', () => {
  const variables = { LISTEN_FDS: '2', LISTEN_PID: own, LISTEN_FDNAMES: 'web:dns' };

  /** A backend that finds fd 3 to be of one role and fd 4 of the other, and notes what it wraps. */
  function fake(
    roles: readonly [SocketRole, SocketRole],
    wrap: (fd: unknown) => unknown = () => undefined,
  ): {
    readonly backend: FakeBackend;
    readonly driver: SocketDriver;
    readonly wrapped: unknown[];
    readonly closed: unknown[];
  } {
    const wrapped: unknown[] = [];
    const closed: unknown[] = [];
    const listener = (fd: unknown): never => {
      wrapped.push(fd);
      wrap(fd);
      const aclose = async (): Promise<void> => void closed.push(fd);
      return { aclose, backend: (): AsyncBackend => backend } as never;
    };
    const driver = {
      roleOf: (fd: number) => roles[fd - 3],
      wrapListener: (_backend: AsyncBackend, fd: unknown) => listener(fd),
      wrapDatagramListener: (_backend: AsyncBackend, fd: unknown) => listener(fd),
    } as unknown as SocketDriver;
    const backend = new FakeBackend(driver);
    return { backend, driver, wrapped, closed };
  }

  it('makes a listener of each socket, in order, and removes the variables', async () => {
    const environment: NodeJS.ProcessEnv = { ...variables };
    const { backend, driver, wrapped } = fake([
      'a listening stream socket',
      'a bound datagram socket without a peer',
    ]);
    const taking = listenersFromEnvironment(backend, driver, environment);
    // A second call cannot claim the same sockets.
    expect(await listenersFromEnvironment(backend, driver, environment)).toEqual([]);
    expect((await taking).map(({ name, kind }) => [name, kind])).toEqual([
      ['web', 'stream'],
      ['dns', 'datagram'],
    ]);
    expect(wrapped).toEqual([3, 4]);
    expect(environment).toEqual({});
  });

  it('takes over none if one socket has another role, and keeps the variables', async () => {
    const environment: NodeJS.ProcessEnv = { ...variables };
    const { backend, driver, wrapped } = fake([
      'a listening stream socket',
      'a connected stream socket',
    ]);
    expect(await rejection(listenersFromEnvironment(backend, driver, environment))).toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
      message: expect.stringContaining('fd 4, "dns", is a connected stream socket') as string,
    });
    expect(wrapped).toEqual([]);
    expect(environment).toEqual(variables);
  });

  it('closes what it took over if one cannot be wrapped, and restores the variables', async () => {
    const environment: NodeJS.ProcessEnv = { ...variables };
    const planted = new Error('planted');
    const { backend, driver, closed } = fake(
      ['a listening stream socket', 'a listening stream socket'],
      (fd) => {
        if (fd === 4) throw planted;
      },
    );
    expect(await rejection(listenersFromEnvironment(backend, driver, environment))).toBe(planted);
    expect(closed).toEqual([3]);
    expect(environment).toEqual(variables);
  });
});

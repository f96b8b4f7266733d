import { describe, expect, it } from 'vitest';
import { InvalidStateError } from '#lib/errors';
import { forgetEnvironmentFds, readEnvironmentFds } from '#lib/networking/socket-activation';

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

  it.each(['', 'many', '-1', '1.5', '1e3', '99999', '0x10'])(
    'LISTEN_FDS=%j is an error',
    (text) => {
      expect(() => readEnvironmentFds({ LISTEN_FDS: text, LISTEN_PID: own })).toThrow(
        InvalidStateError,
      );
    },
  );
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

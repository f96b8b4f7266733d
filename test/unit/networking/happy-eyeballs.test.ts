import { describe, expect, it } from 'vitest';
import type { AsyncBackend } from '#lib/contract/backend';
import {
  combineErrors,
  DEFAULT_DELAY_MS,
  interleave,
  isRefusal,
  race,
} from '#lib/networking/happy-eyeballs';
import { CancelledError, type SystemError, systemError } from '#lib/errors';
import { EADDRNOTAVAIL, ECONNREFUSED } from '#lib/errno';
import { virtualBackend } from '../concurrency/fixture';

const V4 = 4;
const V6 = 6;
const addresses = (...names: string[]): { name: string; family: number }[] =>
  names.map((name) => ({ name, family: name.startsWith('v6') ? V6 : V4 }));

describe('interleave', () => {
  it.each([
    [
      ['v4a', 'v4b', 'v6a', 'v6b'],
      ['v6a', 'v4a', 'v6b', 'v4b'],
    ],
    [
      ['v4a', 'v4b', 'v4c', 'v6a'],
      ['v6a', 'v4a', 'v4b', 'v4c'],
    ],
    [
      ['v6a', 'v6b', 'v6c', 'v4a'],
      ['v6a', 'v4a', 'v6b', 'v6c'],
    ],
    [
      ['v4b', 'v4a'],
      ['v4b', 'v4a'],
    ],
    [['v6a'], ['v6a']],
    [[], []],
  ])('%j becomes %j', (given, expected) => {
    expect(interleave(addresses(...given), V6).map(({ name }) => name)).toEqual(expected);
  });
});

/** When an attempt ends, and how. */
interface Attempt {
  readonly takes: number;
  /** Undefined: it connects. */
  readonly fails?: unknown;
  /** It ignores a cancellation, and connects. */
  readonly isDeaf?: boolean;
}

interface Report {
  readonly outcome: unknown;
  readonly time: number;
  /** When each attempt began. */
  readonly began: Record<string, number>;
  readonly cancelled: string[];
  readonly discarded: string[];
}

const refused = (name: string): SystemError =>
  systemError(ECONNREFUSED, 'connect', { address: name, port: 1 });

async function run(
  attempts: Record<string, Attempt>,
  delay = DEFAULT_DELAY_MS,
  cancelAt = Infinity,
): Promise<Report> {
  const backend = virtualBackend();
  const began: Record<string, number> = {};
  const cancelled: string[] = [];
  const discarded: string[] = [];
  let outcome: unknown;
  await backend.bootstrap(async () => {
    outcome = await backend.moveOnAt(cancelAt).run(() =>
      race(
        backend as unknown as AsyncBackend,
        Object.keys(attempts),
        delay,
        async (name) => {
          began[name] = backend.currentTime();
          const { takes, fails, isDeaf = false } = attempts[name]!;
          try {
            await (isDeaf
              ? backend.ignoreCancellation(() => backend.sleep(takes))
              : backend.sleep(takes));
          } catch (error) {
            cancelled.push(name);
            throw error;
          }
          if (fails !== undefined) throw fails;
          return name;
        },
        (late) => discarded.push(late),
      ).catch((error: unknown) => {
        if (error instanceof CancelledError) throw error;
        return error;
      }),
    );
  });
  return { outcome, time: backend.currentTime(), began, cancelled, discarded };
}

describe('race', () => {
  it('takes the first that connects, and cancels the others', async () => {
    const { outcome, time, began, cancelled, discarded } = await run({
      a: { takes: 10_000 },
      b: { takes: 100 },
      c: { takes: 10_000 },
    });
    expect(outcome).toBe('b');
    expect(time).toBe(350);
    expect(began).toEqual({ a: 0, b: 250 });
    expect(cancelled).toEqual(['a']);
    expect(discarded).toEqual([]);
  });

  it('begins the next at once when one is refused, else after the delay', async () => {
    const { outcome, began } = await run({
      a: { takes: 5, fails: refused('a') },
      b: { takes: 300, fails: refused('b') },
      c: { takes: 1000 },
      d: { takes: 1 },
    });
    expect(outcome).toBe('d');
    expect(began).toEqual({ a: 0, b: 5, c: 255, d: 505 });
  });

  it('does not begin early when an attempt other than the latest is refused', async () => {
    const { began } = await run({
      a: { takes: 300, fails: refused('a') },
      b: { takes: 10_000 },
      c: { takes: 1 },
    });
    expect(began).toEqual({ a: 0, b: 250, c: 500 });
  });

  it('tries one after the other with an infinite delay, and all at once with a delay of 0', async () => {
    const slow = {
      a: { takes: 1000, fails: refused('a') },
      b: { takes: 1000, fails: refused('b') },
      c: { takes: 1000 },
    };
    expect((await run(slow, Infinity)).began).toEqual({ a: 0, b: 1000, c: 2000 });
    expect((await run(slow, 0)).began).toEqual({ a: 0, b: 0, c: 0 });
  });

  it('tries a single candidate without a race', async () => {
    expect((await run({ a: { takes: 1 } })).outcome).toBe('a');
    const error = refused('a');
    expect((await run({ a: { takes: 1, fails: error } })).outcome).toBe(error);
  });

  it('rejects with all refusals, flat and in the order of the attempts, with the code of the first', async () => {
    const binding = new AggregateError([
      systemError(EADDRNOTAVAIL, 'bind'),
      systemError(EADDRNOTAVAIL, 'bind'),
    ]);
    const { outcome } = await run({
      a: { takes: 400, fails: refused('a') },
      b: { takes: 1, fails: binding },
      c: { takes: 1, fails: refused('c') },
    });
    expect(outcome).toBeInstanceOf(AggregateError);
    expect(outcome).toMatchObject({
      code: 'ECONNREFUSED',
      message: expect.stringContaining(
        'all connection attempts failed: connect ECONNREFUSED a:1',
      ) as string,
    });
    expect((outcome as AggregateError).errors.map(({ code }: SystemError) => code)).toEqual([
      'ECONNREFUSED',
      'EADDRNOTAVAIL',
      'EADDRNOTAVAIL',
      'ECONNREFUSED',
    ]);
  });

  it('discards a connection that comes after another attempt has won', async () => {
    const { outcome, discarded } = await run({ a: { takes: 300, isDeaf: true }, b: { takes: 10 } });
    expect(outcome).toBe('b');
    expect(discarded).toEqual(['a']);
  });

  it('ends with an error that is no refusal, and discards the winner', async () => {
    const defect = new TypeError('planted');
    const { outcome, discarded, cancelled } = await run({
      a: { takes: 300, fails: defect },
      b: { takes: 1000, isDeaf: true },
      c: { takes: 1000 },
    });
    expect((outcome as AggregateError).errors).toEqual([defect]);
    expect(discarded).toEqual(['b']);
    expect(cancelled).toEqual([]);
  });

  it('ends all attempts and connects nothing when it is cancelled from outside', async () => {
    const { outcome, time, cancelled, discarded } = await run(
      { a: { takes: 1000 }, b: { takes: 1000 }, c: { takes: 1000, isDeaf: true } },
      100,
      250,
    );
    expect(outcome).toBeUndefined();
    expect(time).toBe(1200);
    expect(cancelled).toEqual(['a', 'b']);
    expect(discarded).toEqual(['c']);
  });
});

describe('isRefusal', () => {
  it('is true for system errors, and for aggregates of nothing else', () => {
    expect(isRefusal(refused('a'))).toBe(true);
    expect(isRefusal(new AggregateError([refused('a'), refused('b')]))).toBe(true);
    expect(isRefusal(new AggregateError([refused('a'), new Error('b')]))).toBe(false);
    for (const other of [new CancelledError(), new TypeError('x'), null, undefined, 'x'])
      expect(isRefusal(other)).toBe(false);
  });
});

describe('combineErrors', () => {
  it('returns a single error as it is, and has no code if the first error has none', () => {
    const error = new Error('x');
    expect(combineErrors([undefined, error], 'all failed')).toBe(error);
    const both = combineErrors([error, 'text'], 'all failed');
    expect(both).toMatchObject({ message: 'all failed: x; text', errors: [error, 'text'] });
    expect(both).not.toHaveProperty('code');
  });
});

import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { BusyResourceError as Busy, CancelledError, TimeoutError } from '#lib/errors';
import { decodeThrown, encodeThrown, ERROR_LIMITS } from '#lib/threads/error-codec';

/** What arrives in the other thread. */
const sent = (thrown: unknown): unknown => decodeThrown(structuredClone(encodeThrown(thrown)));

describe('encodeThrown and decodeThrown', () => {
  it.each([
    new SyntaxError('one'),
    new Busy('two'),
    new CancelledError('three'),
    new TimeoutError('four'),
    new Error(''),
  ])('keep class, name, message and stack: %s', (error) => {
    const arrived = sent(error) as Error;
    expect(arrived).toBeInstanceOf(error.constructor);
    expect(arrived).not.toBe(error);
    expect([arrived.name, arrived.message, arrived.stack]).toEqual([
      error.name,
      error.message,
      error.stack,
    ]);
    expect(Object.keys(arrived)).toEqual(Object.keys(error));
  });

  it('keep the name of an unknown class, and the nearest known class that it extends', () => {
    class Far extends TypeError {}
    class Farther extends Far {
      override readonly name = 'Farther';
    }
    expect(sent(new Farther('away'))).toBeInstanceOf(TypeError);
    expect(sent(new Farther('away'))).toMatchObject({ name: 'Farther', message: 'away' });
    expect(sent(new DOMException('no', 'DataCloneError'))).toMatchObject({
      name: 'DataCloneError',
      message: 'no',
    });
  });

  it('keep the errors of an AggregateError, and values among them that are not errors', () => {
    const arrived = sent(
      new AggregateError([new RangeError('one'), 'two'], 'both'),
    ) as AggregateError;
    expect(arrived).toBeInstanceOf(AggregateError);
    expect(arrived.message).toBe('both');
    expect(arrived.errors[0]).toBeInstanceOf(RangeError);
    expect(arrived.errors).toMatchObject([{ message: 'one' }, 'two']);
  });

  it('keep own properties that can be cloned, and leave the others behind', () => {
    const error = Object.assign(new Error('x'), {
      code: 'E',
      errno: -5,
      detail: { deep: [1] },
      method: () => 1,
      symbol: Symbol('s'),
    });
    const arrived = sent(error) as typeof error;
    expect(arrived).toMatchObject({ code: 'E', errno: -5, detail: { deep: [1] } });
    expect('method' in arrived || 'symbol' in arrived).toBe(false);
  });

  it('keep a circle of causes and errors', () => {
    const all = new AggregateError([], 'all');
    const one = new Error('one', { cause: all });
    all.errors.push(one, one, all);
    const arrived = sent(all) as AggregateError;
    const [first, second, third] = arrived.errors as Error[];
    expect([first?.message, first?.cause, second, third]).toEqual(['one', arrived, first, arrived]);
    const self = new Error('round');
    self.cause = self;
    const round = sent(self) as Error;
    expect(round.cause).toBe(round);
  });

  it('take no longer for errors that point at each other', () => {
    const all = new AggregateError([], 'all');
    for (let i = 0; i < 100; i++)
      all.errors.push(
        new AggregateError([all, ...(all.errors as unknown[])], String(i), { cause: all }),
      );
    const begin = performance.now();
    const arrived = sent(all) as AggregateError;
    // Without a memory of what it has seen, this would take longer than the universe lasts.
    expect(performance.now() - begin).toBeLessThan(5000);
    expect(arrived.errors).toHaveLength(100);
  });

  it('leave behind what goes beyond the limits, and say so', () => {
    const { errors, depth, text, total } = ERROR_LIMITS;
    const many = sent(
      new AggregateError(Array.from({ length: 1000 }, (_, i) => new Error(String(i)))),
    ) as AggregateError;
    expect(many.errors).toHaveLength(errors + 1);
    expect(many.errors.at(-1)).toMatch(/^744 more left behind/);
    let deep = new Error('0');
    for (let i = 1; i < 1000; i++) deep = new Error(String(i), { cause: deep });
    let levels = 0;
    let at: unknown = sent(deep);
    for (; at instanceof Error; at = at.cause) levels++;
    expect([levels, at]).toEqual([depth + 1, expect.stringContaining('left behind')]);
    const long = sent(new Error('x'.repeat(text + 5))) as Error;
    expect(long.message).toBe(`${'x'.repeat(text)}… (5 more characters)`);
    const large = sent(
      Object.assign(new Error('large'), {
        bytes: new Uint8Array(total),
        list: Array.from({ length: total }, () => 0),
        code: 'KEPT',
      }),
    );
    expect(large).toMatchObject({ message: 'large', code: 'KEPT' });
    expect(Object.keys(large as object)).toEqual(['code']);
  });

  it('are quick for many properties that cannot be sent', () => {
    const uncloneable = Array.from({ length: 10_000 }, () => [{}, {}, () => 1]);
    const wide = new Error('wide');
    for (let i = 0; i < 10_000; i++) Object.assign(wide, { [`key${String(i)}`]: uncloneable });
    const begin = performance.now();
    expect(sent(wide)).toMatchObject({ message: 'wide' });
    expect(performance.now() - begin).toBeLessThan(5000);
  });

  const throwing = (): never => {
    throw new SyntaxError('not this one');
  };
  const hostile: readonly (readonly [string, () => unknown])[] = [
    ['a message that is no string', () => Object.assign(new RangeError(), { message: 7 })],
    [
      'a message that cannot be cloned',
      () => Object.assign(new RangeError(), { message: () => 1 }),
    ],
    ...['message', 'name', 'stack', 'cause', 'code'].map(
      (key) =>
        [
          `a ${key} that throws`,
          () =>
            Object.defineProperty(new RangeError('x'), key, { get: throwing, enumerable: true }),
        ] as const,
    ),
    ['a stack that is no string', () => Object.assign(new RangeError(), { stack: [() => 1] })],
    ['a Proxy as its cause', () => new RangeError('x', { cause: new Proxy({}, {}) })],
    [
      'a constructor that throws',
      () => {
        class Odd extends RangeError {}
        Object.defineProperty(Odd.prototype, 'constructor', { get: throwing });
        return new Odd('x');
      },
    ],
    [
      'a value that throws when it is cloned',
      () =>
        Object.assign(new RangeError('x'), {
          deep: Object.defineProperty({}, 'a', { get: throwing, enumerable: true }),
        }),
    ],
    ['a Proxy around it', () => new Proxy(new RangeError('x'), {})],
  ];

  it.each(hostile)('keep the class of an error with %s', (_, make) => {
    expect(sent(make())).toBeInstanceOf(RangeError);
  });

  it('keep a message that is no string', () => {
    expect((sent(Object.assign(new Error(), { message: 7 })) as Error).message).toBe(7);
  });

  it('keep what is left of an AggregateError whose errors are no array', () => {
    for (const errors of [7, null, undefined, () => 1, { length: 2 }]) {
      const arrived = sent(Object.assign(new AggregateError([], 'odd'), { errors }));
      expect(arrived).toBeInstanceOf(AggregateError);
      expect((arrived as Error).message).toBe('odd');
    }
    const { proxy, revoke } = Proxy.revocable([], {});
    revoke();
    const odd = Object.assign(new AggregateError([], 'odd'), { errors: proxy });
    expect(sent(odd)).toBeInstanceOf(AggregateError);
  });

  it('make a text of what can be neither cloned nor read', () => {
    const { proxy, revoke } = Proxy.revocable(new Error('gone'), {});
    revoke();
    expect(sent(proxy)).toContain('Revoked Proxy');
    const traps = new Proxy({}, { get: throwing, getPrototypeOf: throwing, ownKeys: throwing });
    expect(typeof sent(traps)).toBe('string');
    const endless: object = new Proxy({}, { getPrototypeOf: () => endless });
    expect(typeof sent(endless)).toBe('string');
  });

  it('do not let a property change the class', () => {
    const error: unknown = Object.defineProperty(new RangeError('x'), '__proto__', {
      value: { polluted: true },
      enumerable: true,
    });
    expect(sent(error)).toBeInstanceOf(RangeError);
  });

  it('keep errors of another realm', () => {
    for (const code of [
      'new RangeError("far", { cause: new TypeError("why") })',
      'Object.assign(Object.create(RangeError.prototype), { message: "far" })',
    ])
      expect(sent(runInNewContext(code))).toBeInstanceOf(RangeError);
    const far = sent(runInNewContext('new AggregateError([new URIError("one")], "far")'));
    expect(far).toBeInstanceOf(AggregateError);
    expect((far as AggregateError).errors[0]).toBeInstanceOf(URIError);
  });

  it('keep a DOMException, with its name and code', () => {
    const arrived = sent(new DOMException('no', 'DataCloneError')) as DOMException;
    expect(arrived).toBeInstanceOf(DOMException);
    expect([arrived.name, arrived.code, arrived.message]).toEqual(['DataCloneError', 25, 'no']);
    const aborted = sent(AbortSignal.abort().reason) as DOMException;
    expect(aborted).toBeInstanceOf(DOMException);
    expect([aborted.name, aborted.code]).toEqual(['AbortError', 20]);
  });

  it('take no class of the user for one of the library, and one of another copy for its own', () => {
    const user = sent(new (class TimeoutError extends Error {})('x'));
    expect(user).not.toBeInstanceOf(TimeoutError);
    expect(user).not.toHaveProperty('code');
    class BusyResourceError extends Error {
      readonly code = 'ERR_BUSY_RESOURCE';
    }
    expect(sent(new BusyResourceError('x'))).toBeInstanceOf(Busy);
  });

  it('keep errors in properties, alone and in arrays', () => {
    const arrived = sent(
      Object.assign(new Error('x'), { first: new RangeError('1'), rest: [new URIError('2'), 3] }),
    ) as { first: unknown; rest: unknown[] };
    expect(arrived.first).toBeInstanceOf(RangeError);
    expect(arrived.rest[0]).toBeInstanceOf(URIError);
    expect(arrived.rest[1]).toBe(3);
    expect((sent([new RangeError('in an array')]) as unknown[])[0]).toBeInstanceOf(RangeError);
  });

  it('keep any other value, and the text of what cannot be cloned', () => {
    for (const value of [7, 'text', undefined, null, { deep: [1] }, 5n])
      expect(sent(value)).toEqual(value);
    expect(sent(Symbol('s'))).toBe('Symbol(s)');
    expect(sent(() => 1)).toContain('=>');
  });
});

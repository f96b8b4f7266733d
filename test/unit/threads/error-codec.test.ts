import { describe, expect, it } from 'vitest';
import { BusyResourceError, CancelledError, TimeoutError } from '#lib/errors';
import { decodeThrown, encodeThrown } from '#lib/threads/error-codec';

/** What arrives in the other thread. */
const sent = (thrown: unknown): unknown => decodeThrown(structuredClone(encodeThrown(thrown)));

describe('encodeThrown and decodeThrown', () => {
  it.each([
    new SyntaxError('one'),
    new BusyResourceError('two'),
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

  it('end at some depth where causes lead in a circle', () => {
    const error = new Error('round');
    error.cause = error;
    let depth = 0;
    for (let at: unknown = sent(error); at instanceof Error; at = at.cause) depth++;
    expect(depth).toBeGreaterThan(2);
    expect(depth).toBeLessThan(100);
  });

  it('keep any other value, and the text of what cannot be cloned', () => {
    for (const value of [7, 'text', undefined, null, { deep: [1] }, 5n])
      expect(sent(value)).toEqual(value);
    expect(sent(Symbol('s'))).toBe('Symbol(s)');
    expect(sent(() => 1)).toContain('=>');
  });
});

import { describe, expect, it } from 'vitest';
import {
  checkChoice,
  checkFunction,
  checkInteger,
  checkTime,
  decimal,
  invalidArgument,
  outOfRange,
} from '#lib/arguments/validate';
import { detach } from '../socket/memory';

const wrongType = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const wrongValue = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

/** What `check` throws. */
function thrownBy(check: () => void): unknown {
  try {
    check();
  } catch (error) {
    return error;
  }
  return 'nothing was thrown';
}

describe('checkInteger', () => {
  it('takes the integers of the range, its ends too', () => {
    for (const value of [-1, 0, 7])
      expect(thrownBy(() => checkInteger('n', value, -1, 7))).toBe('nothing was thrown');
  });

  it('refuses other numbers with a RangeError, and other values with a TypeError', () => {
    for (const value of [-2, 8, 0.5, NaN, Infinity])
      expect(thrownBy(() => checkInteger('n', value, -1, 7))).toMatchObject(wrongValue);
    for (const value of ['1', 1n, null, undefined, {}, true]) {
      expect(thrownBy(() => checkInteger('n', value, -1, 7))).toMatchObject(wrongType);
    }
  });

  it('says what was expected, and what came', () => {
    expect(thrownBy(() => checkInteger('port', 65_536, 0, 65_535))).toMatchObject({
      message:
        'The value of "port" is out of range. It must be an integer >= 0 and <= 65535. Received 65536',
    });
  });
});

describe('checkTime', () => {
  it('takes every number but NaN, Infinity too', () => {
    for (const value of [0, -5, 0.25, Infinity, -Infinity])
      expect(thrownBy(() => checkTime('delay', value))).toBe('nothing was thrown');
    expect(thrownBy(() => checkTime('delay', NaN))).toMatchObject(wrongValue);
    expect(thrownBy(() => checkTime('delay', '10'))).toMatchObject(wrongType);
  });
});

describe('checkFunction', () => {
  it('takes functions of every kind, and nothing else', () => {
    for (const value of [() => 1, async () => 1, Buffer, Math.max])
      expect(thrownBy(() => checkFunction('fn', value))).toBe('nothing was thrown');
    for (const value of [undefined, null, {}, 'fn', Promise.resolve()])
      expect(thrownBy(() => checkFunction('fn', value))).toMatchObject(wrongType);
  });
});

describe('messages of refused arguments', () => {
  it('name a function, and cut what is long', () => {
    expect(invalidArgument('x', 'a number', function handler() {}).message).toBe(
      'The "x" argument must be a number. Received function handler',
    );
    const { message } = outOfRange('x', 'short', 'y'.repeat(1000));
    expect(message.length).toBeLessThan(200);
    expect(message.endsWith('...')).toBe(true);
  });

  it('name values that cannot be inspected', () => {
    const view = new DataView(new ArrayBuffer(8));
    detach(view);
    expect(invalidArgument('x', 'a number', view).message).toContain('Received ');
    const hostile = {
      get [Symbol.for('nodejs.util.inspect.custom')](): never {
        throw new Error('no');
      },
    };
    expect(invalidArgument('x', 'a number', hostile).message).toBe(
      'The "x" argument must be a number. Received [object Object]',
    );
  });
});

describe('messages about values that throw at every look', () => {
  it('name their type', () => {
    const { proxy, revoke } = Proxy.revocable(() => undefined, {});
    revoke();
    expect(invalidArgument('x', 'a number', proxy).message).toBe(
      'The "x" argument must be a number. Received a value of type function that cannot be shown',
    );
  });
});

describe('decimal', () => {
  it('reads decimal digits, and nothing else', () => {
    expect(['0', '80', '007'].map(decimal)).toEqual([0, 80, 7]);
    for (const text of ['', ' 80', '80 ', '+1', '-1', '0x50', '8e1', '1.0', '\u0664'])
      expect(decimal(text), JSON.stringify(text)).toBeNaN();
  });
});

describe('checkChoice', () => {
  it('takes one of the keys, as a string', () => {
    const choices = { read: 0, write: 1 };
    checkChoice('how', 'read', choices);
    for (const value of [['read'], 'both', 'toString', new String('read'), Symbol('read'), null]) {
      expect(() => {
        checkChoice('how', value, choices);
      }).toThrow("must be 'read' or 'write'. Received");
    }
  });
});

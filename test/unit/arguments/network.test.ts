import { describe, expect, it } from 'vitest';
import {
  checkBacklog,
  checkHost,
  checkListenHosts,
  checkMode,
  checkPort,
  checkUnixPath,
  readService,
} from '#lib/arguments/network';

describe('checkPort', () => {
  it('takes 0 to 65535', () => {
    checkPort('port', 0);
    checkPort('port', 65535);
    expect(() => checkPort('port', 65536)).toThrow(RangeError);
    expect(() => checkPort('port', '80')).toThrow(TypeError);
  });
});

describe('checkHost', () => {
  it('takes a text that is not empty', () => {
    checkHost('host', 'localhost');
    for (const host of ['', null, undefined, 5])
      expect(() => checkHost('host', host)).toThrow(TypeError);
  });
});

describe('checkListenHosts', () => {
  it('makes a list of one host or several, where null and the empty string may stand', () => {
    expect(checkListenHosts('a')).toEqual(['a']);
    expect(checkListenHosts(null)).toEqual([null]);
    expect(checkListenHosts(['a', '', null])).toEqual(['a', '', null]);
    for (const host of [5, undefined, {}, [], ['a', 5], ['a', undefined]])
      expect(() => checkListenHosts(host)).toThrow(TypeError);
  });
});

describe('readService', () => {
  it('takes ports, ports in decimal digits, names and null', () => {
    expect(
      [0, 65535, '0', '080', '65535', 'http', 'http-alt', 'x11', '3com-tsmux', null].map((port) =>
        readService('port', port),
      ),
    ).toEqual([0, 65535, 0, 80, 65535, 'http', 'http-alt', 'x11', '3com-tsmux', null]);
  });

  it('refuses numbers that are no port, whether they are text or not', () => {
    for (const port of [-1, 65536, 1.5, NaN, Infinity, '65536', '70000', '99999999999999999999'])
      expect(() => readService('port', port), String(port)).toThrow(RangeError);
  });

  it('refuses text that JavaScript or C would read as a number in its own way', () => {
    for (const port of [
      '',
      ' ',
      ' 80',
      '80 ',
      '+80',
      '-1',
      ' -1',
      '0x50',
      '8e1',
      '80.0',
      '80\0',
      'http\0',
      'Infinity',
      '\n80',
    ])
      // prettier-ignore
      expect(() => readService('port', port), JSON.stringify(port)).toThrow(TypeError);
    for (const port of [80n, true, {}, [80], undefined, Symbol('80')])
      expect(() => readService('port', port)).toThrow(TypeError);
  });
});

describe('checkBacklog and checkMode', () => {
  it('take the integers in their range', () => {
    checkBacklog(1);
    for (const backlog of [0, -1, 1.5, NaN])
      expect(() => checkBacklog(backlog)).toThrow(RangeError);
    checkMode(undefined);
    checkMode(0o7777);
    for (const mode of [-1, 0o10000]) expect(() => checkMode(mode)).toThrow(RangeError);
  });
});

describe('checkUnixPath', () => {
  it('takes text and bytes', () => {
    checkUnixPath('path', '');
    checkUnixPath('path', new Uint8Array(3));
    for (const path of [5, null, undefined, {}])
      expect(() => checkUnixPath('path', path)).toThrow(TypeError);
  });
});

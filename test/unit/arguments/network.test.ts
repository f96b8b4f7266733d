import { describe, expect, it } from 'vitest';
import {
  checkBacklog,
  checkHost,
  checkListenHosts,
  checkMode,
  checkPort,
  checkUnixPath,
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

import { constants as os } from 'node:os';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { constants } from '#lib/socket/platform-constants';

describe('constants', () => {
  it('has numbers by name', () => {
    expect(constants['AF_UNIX']).toBe(1);
    expect(constants['UV_ECONNREFUSED']).toBe(-os.errno.ECONNREFUSED);
    for (const name of [
      'AF_INET',
      'SOCK_DGRAM',
      'SOL_SOCKET',
      'SO_REUSEPORT',
      'TCP_NODELAY',
      'MSG_PEEK',
      'AI_PASSIVE',
      'NI_NUMERICHOST',
      'SCM_RIGHTS',
    ]) {
      expect(constants[name], name).toEqual(expect.any(Number));
      expect(name in constants).toBe(true);
    }
  });

  it('has no other names, not even those that every object has', () => {
    for (const name of [
      'NO_SUCH_THING',
      'constructor',
      'toString',
      'hasOwnProperty',
      '__proto__',
      'then',
    ]) {
      expect(constants[name], name).toBe(undefined);
      expect(name in constants, name).toBe(false);
    }
    expect((constants as unknown as Record<symbol, unknown>)[Symbol.toPrimitive]).toBe(undefined);
    expect(Object.getOwnPropertyDescriptor(constants, 'toString')).toBe(undefined);
  });

  it('can be listed, spread and shown', () => {
    const names = Object.keys(constants);
    expect(names).toContain('AF_INET');
    expect(Object.entries({ ...constants })).toHaveLength(names.length);
    expect(names.every((name) => Number.isInteger(constants[name]))).toBe(true);
    expect(inspect(constants)).toBeTypeOf('string');
  });

  it('cannot be changed', () => {
    const writable = constants as Record<string, number>;
    expect(() => (writable['AF_INET'] = 1)).toThrow(TypeError);
    expect(() => delete writable['AF_INET']).toThrow(TypeError);
    expect(() => Object.defineProperty(writable, 'X', { value: 1 })).toThrow(TypeError);
    expect(() => Object.freeze(writable)).toThrow(TypeError);
    expect(() => Object.setPrototypeOf(writable, {}) as unknown).toThrow(TypeError);
    expect(Object.keys(constants)).toContain('AF_INET');
  });
});

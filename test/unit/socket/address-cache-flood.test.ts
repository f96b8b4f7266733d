import { expect, it, vi } from 'vitest';
import { nativeBinding } from '#lib/binding';
import { encodeAddress } from '#lib/socket/address';
import { AddressCache } from '#lib/socket/address-cache';

/** The secrets of the hash are known in this file, as no peer knows them. */
const { FIRST, STEP } = vi.hoisted(() => {
  const secrets = { FIRST: 0x11c9dc5, STEP: 0x1000195 };
  const crypto = process.getBuiltinModule('node:crypto');
  const { randomFillSync } = crypto;
  crypto.randomFillSync = ((array: Int32Array): Int32Array => {
    crypto.randomFillSync = randomFillSync;
    array.set([secrets.FIRST, secrets.STEP]);
    return array;
  }) as never;
  return secrets;
});

const hash = (from: number, bytes: Iterable<number>): number => {
  let state = from;
  for (const byte of bytes) state = Math.imul(state ^ byte, STEP);
  return state;
};

/** Two blocks of seven letters that lead from one state of the hash to the same next state. */
function collision(from: number): [string, string] {
  const known = new Map<number, string>();
  for (let i = 0; ; i++) {
    const block = (Math.imul(i, 0x9e3779b1) >>> 0).toString(36).padStart(7, '-');
    const state = hash(from, Buffer.from(block));
    const other = known.get(state);
    if (other !== undefined) return [other, block];
    known.set(state, block);
  }
}

/** Abstract names, all with the same hash: each block doubles their number. */
function collidingNames(blocks: number): string[] {
  let names = ['\0'];
  let state = hash(FIRST, encodeAddress('\0', 'test').bytes.subarray(0, 3));
  for (let i = 0; i < blocks; i++) {
    const pair = collision(state);
    state = hash(state, Buffer.from(pair[0]));
    names = names.flatMap((name) => pair.map((block) => name + block));
  }
  return names;
}

const decode = (cache: AddressCache, name: string): unknown => {
  const { bytes, length } = encodeAddress(name, 'test');
  return cache.decode(bytes, 0, length);
};

/** How many of the names the cache can send to without encoding them. */
function remembered(cache: AddressCache, names: readonly string[]): number {
  const encode = vi.spyOn(nativeBinding(), 'encodeUnix');
  for (const name of names) cache.encode(name, 'test');
  const { length } = encode.mock.calls;
  encode.mockRestore();
  return names.length - length;
}

const isLinux = process.platform === 'linux';

it.runIf(isLinux)('peers with one hash take the room of one peer, and are told apart', () => {
  const names = collidingNames(10);
  expect(new Set(names).size).toBe(1024);
  const cache = new AddressCache();
  for (const name of names) expect(decode(cache, name)).toBe(name);
  expect(remembered(cache, names)).toBe(1);
  for (const name of names.slice(0, 10)) expect(decode(cache, name)).toBe(name);
});

it.runIf(isLinux)('however many peers there are, a few thousand are remembered', () => {
  const cache = new AddressCache();
  const names = Array.from({ length: 20_000 }, (_, i) => `\0peer ${i}`);
  for (const name of names) decode(cache, name);
  expect(remembered(cache, names)).toBeGreaterThan(2000);
  expect(remembered(cache, names)).toBeLessThanOrEqual(4096);
});

it.runIf(isLinux)('a flood of new peers does not push out one that goes on sending', () => {
  const cache = new AddressCache();
  decode(cache, '\0friend');
  for (let i = 0; i < 20_000; i++) {
    decode(cache, `\0stranger ${i}`);
    if (i % 1000 === 0) {
      expect(remembered(cache, ['\0friend'])).toBe(1);
      decode(cache, '\0friend');
    }
  }
  const known = vi.spyOn(nativeBinding(), 'sockaddrFamily');
  decode(cache, '\0friend');
  expect(known).not.toHaveBeenCalled();
});

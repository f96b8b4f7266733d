import { describe, expect, it } from 'vitest';
import { scratch } from '#lib/socket/scratch';

describe('scratch', () => {
  it('gives exactly the size asked for, of one piece of memory', () => {
    const [small, medium] = [scratch(10), scratch(65536)];
    expect([small.length, medium.length, scratch(0).length]).toEqual([10, 65536, 0]);
    expect(scratch(100).buffer).toBe(medium.buffer);
  });

  it('grows to a megabyte, and keeps no more', () => {
    const large = scratch(1 << 20);
    expect(large.length).toBe(1 << 20);
    expect(scratch(5).buffer).toBe(large.buffer);
    const huge = scratch((1 << 20) + 1);
    expect(huge.length).toBe((1 << 20) + 1);
    expect(huge.buffer).not.toBe(large.buffer);
    expect(scratch(5).buffer).toBe(large.buffer);
  });
});

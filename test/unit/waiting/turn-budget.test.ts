import { describe, expect, it } from 'vitest';
import { defer, spend } from '#lib/waiting/turn-budget';

function spendAll(): number {
  let count = 0;
  while (spend()) count++;
  return count;
}

describe('spend', () => {
  it('renews its budget only by a turn, which whoever is deferred waits for', async () => {
    const budget = spendAll();
    expect(budget).toBeGreaterThan(0);
    expect(spend()).toBe(false);
    const resumed: number[] = [];
    let isTimeForOthers = false;
    setImmediate(() => {
      isTimeForOthers = true;
    });
    const turn = new Promise<void>((resolve) => {
      defer(() => resumed.push(1));
      defer(() => {
        resumed.push(2);
        resolve();
      });
    });
    for (let i = 0; i < 100; i++) await Promise.resolve();
    expect(resumed).toEqual([]);
    expect(spend()).toBe(false);
    await turn;
    expect(isTimeForOthers).toBe(true);
    expect(resumed).toEqual([1, 2]);
    expect(spendAll()).toBe(budget);
  });

  it('counts anew for those who are resumed', async () => {
    spendAll();
    await new Promise<void>((resolve) => {
      defer(resolve);
    });
    expect(spend()).toBe(true);
    expect(spendAll()).toBeGreaterThan(0);
    await new Promise<void>((resolve) => {
      defer(resolve);
    });
    expect(spend()).toBe(true);
  });
});

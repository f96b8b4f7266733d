import { describe, expect, it, vi } from 'vitest';
import { contextStorage } from '#lib/waiting/context';
import { defer, renew, spend } from '#lib/waiting/turn-budget';
import { FakeScope, turns } from '../socket/kit';

function spendAll(): number {
  let count = 0;
  while (spend() && count < 100_000) count++;
  return count;
}

describe('the turn budget', () => {
  it('is renewed by a turn, which a deferred operation waits for', async () => {
    renew();
    const budget = spendAll();
    expect(budget).toBeGreaterThan(10);
    expect(budget).toBeLessThan(10_000);
    expect(spend()).toBe(false);
    const resumed: number[] = [];
    let isTimeForOthers = false;
    setImmediate(() => {
      isTimeForOthers = true;
    });
    const turn = new Promise<void>((resolve) => {
      defer({ resume: () => resumed.push(1) });
      defer({
        resume: () => {
          resumed.push(2);
          resolve();
        },
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

  it('is renewed before the deferred operations resume', async () => {
    for (let i = 0; i < 2; i++) {
      spendAll();
      await new Promise<void>((resume) => {
        defer({ resume });
      });
      expect(spend()).toBe(true);
    }
  });

  it('is renewed by renew', () => {
    spendAll();
    expect(spend()).toBe(false);
    renew();
    expect(spend()).toBe(true);
  });
});

describe('defer', () => {
  it('an operation that defers itself again resumes in the turn after', async () => {
    let runs = 0;
    const operation = {
      resume() {
        if (++runs < 3) defer(operation);
      },
    };
    const seen: number[] = [];
    defer(operation);
    for (let i = 0; i < 4; i++) {
      await turns(1);
      seen.push(runs);
    }
    expect(seen).toEqual([1, 2, 3, 3]);
  });

  it('one immediate resumes all operations of a turn, outside of any context', async () => {
    const immediate = vi.spyOn(globalThis, 'setImmediate');
    const contexts: unknown[] = [];
    const operation = { resume: () => contexts.push(contextStorage.getStore()) };
    new FakeScope().run(() => {
      defer(operation);
      defer(operation);
    });
    expect(immediate).toHaveBeenCalledTimes(1);
    immediate.mockRestore();
    await turns(1);
    expect(contexts).toEqual([undefined, undefined]);
  });
});

import { describe, expect, it } from 'vitest';
import { LookupQueue, lookupThreads } from '#lib/backends/node/lookup-queue';

/** Look-ups that end when the test says so, in the order in which they were begun. */
function lookups(queue: LookupQueue): {
  readonly begun: string[];
  ask(name: string): { setWanted(isWanted: boolean): boolean };
  end(name: string): Promise<void>;
} {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    begun,
    ask: (name) =>
      queue.add(async () => {
        begun.push(name);
        await new Promise<void>((resolve) => ends.set(name, resolve));
      }),
    end: async (name) => {
      ends.get(name)?.();
      await new Promise(setImmediate);
    },
  };
}

describe('LookupQueue', () => {
  it('begins as many look-ups as there are threads, and the next when one has ended', async () => {
    const { begun, ask, end } = lookups(new LookupQueue(2));
    for (const name of ['a', 'b', 'c', 'd']) ask(name);
    expect(begun).toEqual(['a', 'b']);
    await end('b');
    expect(begun).toEqual(['a', 'b', 'c']);
    await end('a');
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
  });

  it('drops a look-up that nobody waits for, unless it has begun', async () => {
    const { begun, ask, end } = lookups(new LookupQueue(1));
    const [first, second, third] = ['a', 'b', 'c'].map(ask);
    expect(first?.setWanted(false)).toBe(true);
    expect(first?.setWanted(true)).toBe(true);
    expect(second?.setWanted(false)).toBe(false);
    expect(third?.setWanted(true)).toBe(true);
    await end('a');
    expect(begun).toEqual(['a', 'c']);
  });

  it('takes half of the threads of libuv, as libuv itself does', () => {
    expect([undefined, '1', '4', '5', '128', '9999', '0', 'x', '-3'].map(lookupThreads)).toEqual([
      2, 1, 2, 3, 64, 512, 1, 1, 1,
    ]);
  });
});

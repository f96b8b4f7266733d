import type { Clock } from '#lib/contract/clock';
import { describe, expect, it } from 'vitest';
import { Deadlines, NOT_SCHEDULED, type Timed } from '#lib/concurrency/deadlines';

/** A clock that the test moves. It records the calls of its alarm. */
class ManualClock implements Clock {
  time = 0;
  alarm = Infinity;
  held = false;
  settings = 0;
  #ring = (): void => undefined;

  now(): number {
    return this.time;
  }

  createAlarm(ring: () => void): ReturnType<Clock['createAlarm']> {
    this.#ring = ring;
    return {
      set: (deadline) => {
        this.settings++;
        this.alarm = deadline;
      },
      hold: (on) => {
        this.held = on;
      },
    };
  }

  nextTurn(): void {
    throw new Error('not needed here');
  }

  /** Moves the clock, and rings the alarm if it is due. */
  advanceTo(time: number): void {
    this.time = time;
    while (this.alarm <= time) {
      this.alarm = Infinity;
      this.#ring();
    }
  }
}

class Entry implements Timed {
  order = 0;
  position = NOT_SCHEDULED;
  earlier: Timed | null = null;
  later: Timed | null = null;

  constructor(
    public due: number,
    readonly expire: () => void,
    readonly rank = 1,
  ) {}
}

function setup(): {
  clock: ManualClock;
  deadlines: Deadlines;
  log: string[];
  add: (due: number, name?: string, rank?: number) => Entry;
} {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock);
  const log: string[] = [];
  const add = (due: number, name = String(due), rank = 1): Entry => {
    const entry = new Entry(due, () => log.push(name), rank);
    deadlines.add(entry);
    return entry;
  };
  return { clock, deadlines, log, add };
}

describe('Deadlines', () => {
  it('expire in the order of time, then scopes before sleeps, then insertion', () => {
    const { clock, log, add } = setup();
    add(20);
    add(10, 'sleep a', 1);
    add(10, 'sleep b', 1);
    add(10, 'scope a', 0);
    add(5);
    add(10, 'scope b', 0);
    clock.advanceTo(9);
    expect(log).toEqual(['5']);
    clock.advanceTo(30);
    expect(log).toEqual(['5', 'scope a', 'scope b', 'sleep a', 'sleep b', '20']);
  });

  it('do not expire once they are removed, before or after the alarm has rung', () => {
    const { clock, deadlines, log, add } = setup();
    const [early, late] = [add(10), add(30)];
    add(5);
    deadlines.remove(early);
    clock.advanceTo(7);
    expect(late.position).toBeGreaterThanOrEqual(0);
    deadlines.remove(late);
    expect([early.position, late.position]).toEqual([NOT_SCHEDULED, NOT_SCHEDULED]);
    clock.advanceTo(100);
    expect(log).toEqual(['5']);
  });

  it('do not set the alarm again for later deadlines or for removed ones', () => {
    const { clock, deadlines, add } = setup();
    for (let i = 0; i < 1000; i++) deadlines.remove(add(1000 + i));
    expect(clock.settings).toBe(1);
    add(500);
    expect([clock.settings, clock.alarm]).toEqual([2, 500]);
  });

  it('hold the alarm while there are any, even infinite ones', () => {
    const { clock, deadlines, add } = setup();
    const [a, forever] = [add(10), add(Infinity)];
    expect(clock.held).toBe(true);
    deadlines.remove(a);
    expect(clock.held).toBe(true);
    deadlines.remove(forever);
    expect(clock.held).toBe(false);
    add(20);
    expect(clock.held).toBe(true);
    clock.advanceTo(20);
    expect(clock.held).toBe(false);
  });

  it('may be added and removed by deadlines that expire', () => {
    const { clock, deadlines, log, add } = setup();
    const victim = add(10, 'victim');
    deadlines.add(
      new Entry(
        10,
        () => {
          log.push('first');
          deadlines.remove(victim);
          add(10, 'at once');
          add(15, 'later');
        },
        0,
      ),
    );
    clock.advanceTo(10);
    expect(log).toEqual(['first', 'at once']);
    clock.advanceTo(15);
    expect(log).toEqual(['first', 'at once', 'later']);
  });

  it('expire like a sorted list, no matter which are added, removed and moved', () => {
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed % below;
    };
    const { clock, deadlines } = setup();
    const pending = new Set<Entry>();
    let order = 0;
    const orders = new Map<Entry, number>();
    for (let step = 0; step < 20_000; step++) {
      const choice = random(10);
      if (choice < 5) {
        const entry: Entry = new Entry(
          clock.time + 1 + random(50),
          () => {
            expect(entry.due).toBeLessThanOrEqual(clock.time);
            const before = [...pending].filter((other) => isBefore(other, entry));
            expect(before).toEqual([]);
            pending.delete(entry);
          },
          random(2),
        );
        pending.add(entry);
        orders.set(entry, order++);
        deadlines.add(entry);
      } else if (choice < 9) {
        const victim = [...pending][random(Math.max(pending.size, 1))];
        if (victim !== undefined) {
          deadlines.remove(victim);
          pending.delete(victim);
        }
      } else {
        clock.advanceTo(clock.time + random(20));
        for (const entry of pending) expect(entry.due).toBeGreaterThan(clock.time);
      }
    }

    function isBefore(a: Entry, b: Entry): boolean {
      if (a.due !== b.due) return a.due < b.due;
      if (a.rank !== b.rank) return a.rank < b.rank;
      return (orders.get(a) ?? 0) < (orders.get(b) ?? 0);
    }
  });
});

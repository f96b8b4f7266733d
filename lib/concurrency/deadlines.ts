import type { Alarm, Clock } from '../contract/clock';

/**
 * Something that is to happen at a time, unless it is taken back before. Everything but `due`,
 * `rank` and `expire` is for `Deadlines`.
 */
export interface Timed {
  /** When, on the clock. Not to be changed while it is in. */
  due: number;
  /**
   * Of those due at the same time, scopes (0) come before sleeps (1): the scope around a sleep of
   * the same length is the outer one, and wins.
   */
  readonly rank: number;
  /** Its time has come, and it has been taken out. Must not throw. */
  expire(): void;

  /** The order of insertion. */
  order: number;
  /** Where it is: an index in the heap, or FRESH, or OUT. */
  place: number;
  /** Neighbours in the list of fresh ones. */
  earlier: Timed | null;
  later: Timed | null;
}

/** The place of a deadline that is not in. */
export const OUT = -1;
const FRESH = -2;

/**
 * The deadlines of all scopes and sleeps of a backend, on one alarm.
 *
 * Nearly every timeout is taken back long before its time. So a new deadline is only put into a
 * list; when the alarm rings, those that are still there move into a heap, once. One that is taken
 * back before costs two changes of a linked list, and no timer.
 */
export class Deadlines {
  readonly clock: Clock;
  readonly #alarm: Alarm;
  /** What the alarm is set to. It may be too early, never too late. */
  #alarmedFor = Infinity;
  readonly #heap: Timed[] = [];
  #newest: Timed | null = null;
  #count = 0;
  #order = 0;

  constructor(clock: Clock) {
    this.clock = clock;
    this.#alarm = clock.createAlarm(() => {
      this.#alarmedFor = Infinity;
      this.#expire();
    });
  }

  /** Puts it in. With a deadline of `Infinity` it does nothing but keep the process alive. */
  add(timed: Timed): void {
    if (this.#count++ === 0) this.#alarm.hold(true);
    if (timed.due === Infinity) return;
    timed.order = this.#order++;
    timed.place = FRESH;
    timed.earlier = this.#newest;
    if (this.#newest !== null) this.#newest.later = timed;
    this.#newest = timed;
    if (timed.due < this.#alarmedFor) this.#set(timed.due);
  }

  /** Takes it back: it has been put in, and its time has not come yet. */
  remove(timed: Timed): void {
    if (timed.place === FRESH) this.#removeFresh(timed);
    else if (timed.place !== OUT) this.#removeFromHeap(timed.place);
    timed.place = OUT;
    // An alarm that rings for nothing costs less than setting it again now.
    if (--this.#count === 0) this.#alarm.hold(false);
  }

  /**
   * Lets everything happen whose time has come, though the alarm has not rung yet: in the order of
   * time, then rank, then insertion.
   */
  expire(): void {
    if (this.#alarmedFor !== Infinity && this.#alarmedFor <= this.clock.now()) this.#expire();
  }

  #expire(): void {
    this.#settleFresh();
    const heap = this.#heap;
    const now = this.clock.now();
    for (let first = heap[0]; first !== undefined && first.due <= now; first = heap[0]) {
      this.remove(first);
      first.expire();
    }
    // What expired may have added more.
    const next = heap[0]?.due ?? Infinity;
    if (next < this.#alarmedFor) this.#set(next);
  }

  #set(deadline: number): void {
    this.#alarmedFor = deadline;
    this.#alarm.set(deadline);
  }

  #removeFresh(timed: Timed): void {
    const { earlier, later } = timed;
    if (earlier !== null) earlier.later = later;
    if (later === null) this.#newest = earlier;
    else later.earlier = earlier;
    timed.earlier = null;
    timed.later = null;
  }

  #settleFresh(): void {
    for (let timed = this.#newest; timed !== null; timed = this.#newest) {
      this.#removeFresh(timed);
      this.#heap.push(timed);
      this.#rise(timed, this.#heap.length - 1);
    }
  }

  // ── a binary heap that knows where its members are

  #removeFromHeap(index: number): void {
    const heap = this.#heap;
    const last = heap.pop() as Timed;
    if (index === heap.length) return;
    this.#rise(last, index);
    if (last.place === index) this.#sink(last, index);
  }

  #rise(timed: Timed, index: number): void {
    const heap = this.#heap;
    while (index > 0) {
      const up = (index - 1) >> 1;
      const parent = heap[up] as Timed;
      if (!isBefore(timed, parent)) break;
      heap[index] = parent;
      parent.place = index;
      index = up;
    }
    heap[index] = timed;
    timed.place = index;
  }

  #sink(timed: Timed, index: number): void {
    const heap = this.#heap;
    for (;;) {
      let down = 2 * index + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && isBefore(heap[down + 1] as Timed, heap[down] as Timed)) down++;
      const child = heap[down] as Timed;
      if (!isBefore(child, timed)) break;
      heap[index] = child;
      child.place = index;
      index = down;
    }
    heap[index] = timed;
    timed.place = index;
  }
}

function isBefore(a: Timed, b: Timed): boolean {
  if (a.due !== b.due) return a.due < b.due;
  if (a.rank !== b.rank) return a.rank < b.rank;
  return a.order < b.order;
}

import type { Alarm, Clock } from '../contract/clock';

/**
 * Something that happens at a given time, unless it is removed before. `Deadlines` owns all fields
 * but `due`, `rank` and `expire`.
 */
export interface Timed {
  /** The time on the clock. Must not change while the deadline is scheduled. */
  due: number;
  /**
   * The order among deadlines of the same time: scopes (0) before sleeps (1). A scope thus cancels
   * a sleep in it that would end at the same moment.
   */
  readonly rank: number;
  /** Called at that time; the deadline has been removed by then. Must not throw. */
  expire(): void;

  /** The order in which deadlines were added. */
  order: number;
  /** An index in the heap, RECENT or NOT_SCHEDULED. */
  position: number;
  /** Neighbours in the list of recent deadlines. */
  earlier: Timed | null;
  later: Timed | null;
}

/** The position of a deadline that is in no `Deadlines`. */
export const NOT_SCHEDULED = -1;
/** The position of a deadline in the list of recent ones. */
const RECENT = -2;

/**
 * The deadlines of all scopes and sleeps of a backend, behind one alarm.
 *
 * Nearly every timeout is removed long before its time. Therefore a new deadline only goes into a
 * linked list. When the alarm rings, the deadlines in the list move into a heap. A deadline that is
 * removed before costs two changes of the list, and no timer.
 */
export class Deadlines {
  readonly clock: Clock;
  readonly #alarm: Alarm;
  /** The time that the alarm is set to: the first deadline, or earlier. */
  #alarmedFor = Infinity;
  readonly #heap: Timed[] = [];
  #mostRecent: Timed | null = null;
  #count = 0;
  #order = 0;

  constructor(clock: Clock) {
    this.clock = clock;
    this.#alarm = clock.createAlarm(() => {
      this.#alarmedFor = Infinity;
      this.#expire();
    });
  }

  /** A deadline of `Infinity` never comes, but keeps the process alive. */
  add(timed: Timed): void {
    if (this.#count++ === 0) this.#alarm.hold(true);
    if (timed.due === Infinity) return;
    timed.order = this.#order++;
    timed.position = RECENT;
    timed.earlier = this.#mostRecent;
    if (this.#mostRecent !== null) this.#mostRecent.later = timed;
    this.#mostRecent = timed;
    if (timed.due < this.#alarmedFor) this.#set(timed.due);
  }

  /** Removes a deadline that was added and has not expired. */
  remove(timed: Timed): void {
    if (timed.position === RECENT) this.#removeRecent(timed);
    else if (timed.position !== NOT_SCHEDULED) this.#removeFromHeap(timed.position);
    timed.position = NOT_SCHEDULED;
    // The alarm stays as it is: one that rings too early costs less than setting it again here.
    if (--this.#count === 0) this.#alarm.hold(false);
  }

  /**
   * Expires the deadlines that have passed, even if the alarm has not rung yet, in the order of
   * time, then rank, then insertion.
   */
  expire(): void {
    if (this.#alarmedFor !== Infinity && this.#alarmedFor <= this.clock.now()) this.#expire();
  }

  #expire(): void {
    this.#moveRecentToHeap();
    const heap = this.#heap;
    const now = this.clock.now();
    for (let first = heap[0]; first !== undefined && first.due <= now; first = heap[0]) {
      this.remove(first);
      first.expire();
    }
    // Deadlines that expired may have added others, and set the alarm for them.
    const next = heap[0]?.due ?? Infinity;
    if (next < this.#alarmedFor) this.#set(next);
  }

  #set(deadline: number): void {
    this.#alarmedFor = deadline;
    this.#alarm.set(deadline);
  }

  #removeRecent(timed: Timed): void {
    const { earlier, later } = timed;
    if (earlier !== null) earlier.later = later;
    if (later === null) this.#mostRecent = earlier;
    else later.earlier = earlier;
    timed.earlier = null;
    timed.later = null;
  }

  #moveRecentToHeap(): void {
    for (let timed = this.#mostRecent; timed !== null; timed = this.#mostRecent) {
      this.#removeRecent(timed);
      this.#heap.push(timed);
      this.#siftUp(timed, this.#heap.length - 1);
    }
  }

  // ── a binary heap; each deadline in it knows its index

  #removeFromHeap(index: number): void {
    const heap = this.#heap;
    const last = heap.pop() as Timed;
    if (index === heap.length) return;
    this.#siftUp(last, index);
    if (last.position === index) this.#siftDown(last, index);
  }

  #siftUp(timed: Timed, index: number): void {
    const heap = this.#heap;
    while (index > 0) {
      const up = (index - 1) >> 1;
      const parent = heap[up] as Timed;
      if (!isBefore(timed, parent)) break;
      heap[index] = parent;
      parent.position = index;
      index = up;
    }
    heap[index] = timed;
    timed.position = index;
  }

  #siftDown(timed: Timed, index: number): void {
    const heap = this.#heap;
    for (;;) {
      let down = 2 * index + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && isBefore(heap[down + 1] as Timed, heap[down] as Timed)) down++;
      const child = heap[down] as Timed;
      if (!isBefore(child, timed)) break;
      heap[index] = child;
      child.position = index;
      index = down;
    }
    heap[index] = timed;
    timed.position = index;
  }
}

function isBefore(a: Timed, b: Timed): boolean {
  if (a.due !== b.due) return a.due < b.due;
  if (a.rank !== b.rank) return a.rank < b.rank;
  return a.order < b.order;
}

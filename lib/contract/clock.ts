/**
 * The source of time. A backend reads the time, and waits for it to pass, only through its clock:
 * with a virtual clock in place of the system's, a program of sleeps and timeouts runs at once, and
 * always in the same order.
 *
 * Times are milliseconds. Only differences between them mean anything.
 */
export interface Clock {
  /** The time now. Never decreases. */
  now(): number;
  /**
   * Creates an alarm that is not set. The clock calls `ring` from the event loop, outside of any
   * task, and never from within `set` or `hold`. A backend has one alarm for all of its deadlines.
   */
  createAlarm(ring: () => void): Alarm;
  /**
   * Calls `callback` once, outside of any task, after everything that is ready now has run:
   * microtasks and one round of the event loop's I/O. A virtual clock stands still until the call
   * is made.
   */
  nextTurn(callback: () => void): void;
}

/** One alarm of a clock. It rings once each time it is set. */
export interface Alarm {
  /**
   * Rings when `now()` has reached `deadline`. Replaces the previous setting; `Infinity` clears it.
   * The alarm may ring early (a long wait is made in steps) and a little late: the callback
   * compares `now()` with its deadlines and sets the alarm again.
   */
  set(deadline: number): void;
  /**
   * Tells the alarm whether any task waits for it. The system's clock keeps the process alive while
   * an alarm is held, even one that is set to `Infinity` (a task that sleeps for ever waits for a
   * cancellation). Calls are cheap: a backend makes one per sleep.
   */
  hold(on: boolean): void;
}

import type { Alarm, Clock } from '../contract/clock';
import { performance } from 'node:perf_hooks';
import { outsideOfTasks } from '../waiting/context';

/** Timers hold 32 signed bits: a longer wait is made in steps. */
const LONGEST_TIMER = 2 ** 31 - 1;

class SystemAlarm implements Alarm {
  readonly #ring: () => void;
  #deadline = Infinity;
  #held = false;
  /**
   * What the timer was told last: `hold` is called for every sleep and scope, `ref` and `unref`
   * once in a turn.
   */
  #refed = false;
  #timer: NodeJS.Timeout | undefined;
  #releasing = false;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  set(deadline: number): void {
    this.#deadline = deadline;
    this.#start();
  }

  hold(on: boolean): void {
    this.#held = on;
    if (on) {
      if (!this.#refed) this.#keepAlive();
    } else if (!this.#releasing && this.#refed) {
      this.#releasing = true;
      outsideOfTasks(() => setImmediate(this.#release));
    }
  }

  #keepAlive(): void {
    this.#refed = true;
    if (this.#timer === undefined) this.#start();
    else this.#timer.ref();
  }

  readonly #release = (): void => {
    this.#releasing = false;
    if (this.#held) return;
    this.#refed = false;
    if (this.#deadline === Infinity) this.#start();
    else this.#timer?.unref();
  };

  #start(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#deadline === Infinity && !this.#refed) return;
    // Rounded up, since a timer of 0.4 ms is one of 0 (which is one of 1).
    const delay = Math.min(
      Math.max(Math.ceil(this.#deadline - performance.now()), 1),
      LONGEST_TIMER,
    );
    this.#timer = outsideOfTasks(() => setTimeout(this.#expire, delay));
    if (!this.#refed) this.#timer.unref();
  }

  readonly #expire = (): void => {
    this.#timer = undefined;
    this.#deadline = Infinity;
    this.#ring();
    this.#stayAlive();
  };

  /** Not set again, and still held: somebody sleeps for ever. */
  #stayAlive(): void {
    if (this.#timer === undefined && this.#refed) this.#start();
  }
}

// The global `performance` is a getter, which costs as much as reading the clock: hence the import.

/**
 * The monotonic clock of the system. It goes on while the machine runs, whatever happens to the
 * date.
 */
export const systemClock: Clock = {
  now: () => performance.now(),
  createAlarm: (ring) => new SystemAlarm(ring),
  nextTurn: (callback) => {
    outsideOfTasks(() => setImmediate(callback));
  },
};

// The global `performance` is a getter: it costs as much as reading the clock does.
import { performance } from 'node:perf_hooks';
import type { Alarm, Clock } from '../contract/clock';
import { outsideOfTasks } from '../waiting/context';

/** A timer of Node.js takes 31 bits of milliseconds. A longer wait is made in steps. */
const LONGEST_TIMER = 2 ** 31 - 1;

class SystemAlarm implements Alarm {
  readonly #ring: () => void;
  #deadline = Infinity;
  #isHeld = false;
  /**
   * Whether the timer keeps the process alive. `hold` changes for every sleep and scope; `ref` and
   * `unref` of the timer are called once a turn at most.
   */
  #isReferenced = false;
  #timer: NodeJS.Timeout | undefined;
  #isReleaseScheduled = false;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  set(deadline: number): void {
    this.#deadline = deadline;
    this.#start();
  }

  hold(on: boolean): void {
    this.#isHeld = on;
    if (on) {
      if (!this.#isReferenced) this.#keepAlive();
    } else if (!this.#isReleaseScheduled && this.#isReferenced) {
      this.#isReleaseScheduled = true;
      outsideOfTasks(() => setImmediate(this.#release));
    }
  }

  #keepAlive(): void {
    this.#isReferenced = true;
    if (this.#timer === undefined) this.#start();
    else this.#timer.ref();
  }

  readonly #release = (): void => {
    this.#isReleaseScheduled = false;
    if (this.#isHeld) return;
    this.#isReferenced = false;
    if (this.#deadline === Infinity) this.#start();
    else this.#timer?.unref();
  };

  #start(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#deadline === Infinity && !this.#isReferenced) return;
    // Rounded up, since Node.js rounds down, and takes 1 ms for 0.
    const delay = Math.min(
      Math.max(Math.ceil(this.#deadline - performance.now()), 1),
      LONGEST_TIMER,
    );
    this.#timer = outsideOfTasks(() => setTimeout(this.#expire, delay));
    if (!this.#isReferenced) this.#timer.unref();
  }

  readonly #expire = (): void => {
    this.#timer = undefined;
    this.#deadline = Infinity;
    this.#ring();
    this.#stayAlive();
  };

  /** If the alarm is held but not set, a task sleeps for ever: a timer keeps the process alive. */
  #stayAlive(): void {
    if (this.#timer === undefined && this.#isReferenced) this.#start();
  }
}

/**
 * The monotonic clock of the system. It goes on while the machine runs; changes of the date do not
 * affect it.
 */
export const systemClock: Clock = {
  now: () => performance.now(),
  createAlarm: (ring) => new SystemAlarm(ring),
  nextTurn: (callback) => {
    outsideOfTasks(() => setImmediate(callback));
  },
};

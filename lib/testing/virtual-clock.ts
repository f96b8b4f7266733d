import type { Alarm, Clock } from '../contract/clock';
import { AsyncLocalStorage } from 'node:async_hooks';
import { performance } from 'node:perf_hooks';
import { checkTime, outOfRange } from '../arguments/validate';

/** How a {@link VirtualClock} begins, and when it moves by itself. */
export interface VirtualClockOptions {
  /** The time at the beginning, in milliseconds. Default: 0. */
  readonly start?: number;
  /**
   * Whether the clock jumps to the next deadline by itself, each time that everything is idle.
   * Default: true. Without, time stands still until the test calls `advance`.
   */
  readonly autojump?: boolean;
  /**
   * For how many milliseconds of real time nothing may happen, until all counts as idle. Default:
   * 0, one empty round of the event loop. To be raised in a test that talks to another process or
   * thread, whose answers take real time.
   */
  readonly settle?: number;
}

/** Nothing here belongs to a task: the clock serves all of them, and outlives each. */
const outsideOfTasks = AsyncLocalStorage.snapshot() as <R>(fn: () => R) => R;

/**
 * Requests that Node's own threads are working on. They end soon, in real time; a socket that waits
 * for its peer may never do so. `CloseReq` is the end of a `FileHandle`, and so of every `readFile`
 * of node:fs/promises.
 */
const atWork = /^(FSReq|CloseReq|GetAddrInfoReq|GetNameInfoReq)/;

/**
 * How soon to look again, in real milliseconds, while one of those is at work: a turn of the loop
 * for each look would only burn the processor.
 */
const PATIENCE = 1;

/**
 * A clock for tests: time stands still while anything can go on, and then jumps to the next
 * deadline. A program of sleeps and timeouts runs as fast as its code does, takes exactly the time
 * it says, and does the same each time.
 *
 * Give it to a backend in the place of the system's clock; every `sleep`, deadline and
 * `currentTime()` of that backend follows it. Several backends may share one. What keeps time on
 * its own, as `setTimeout` and `Date.now()` do, is not touched.
 *
 * **Idle** is the moment when nothing could go on by itself, and the only one at which the clock
 * jumps. It has come when, for a whole round of the event loop (and `settle` real milliseconds):
 *  - no task is ready: no `coroYield()` is under way, and no deadline was set, moved or taken back;
 *  - the loop had no I/O event: no byte arrived, no connection, no signal, no message of a worker.
 *    So what one socket of this process sends to another arrives before time passes, however many
 *    steps that takes;
 *  - nobody's `setImmediate` is due, and no call of node:fs or address look-up is at work in Node's
 *    threads, as far as Node tells: 26 does not tell of `readFile` and `writeFile` of a path, only
 *    of those of a FileHandle;
 *  - no `freeze()` is in force.
 *
 * A socket that merely waits for its peer does not hold the time: else no timeout of one could be
 * tested. Nor do `setTimeout`, and other work in threads and processes: for these use `settle`, or
 * `freeze()` while it lasts. When all wait and there is no deadline, time stands still; the clock
 * alone does not keep the process alive then.
 *
 * @example
 * const clock = new VirtualClock();
 * const backend = newBuiltinBackend('node', { clock });
 * await backend.bootstrap(async () => {
 *   const limit = backend.moveOnAfter(60_000);
 *   await limit.run(() => backend.sleep(3_600_000));
 *   console.log(limit.cancelledCaught(), clock.now()); // → true 60000
 * });
 */
export class VirtualClock implements Clock {
  readonly #autojump: boolean;
  readonly #settle: number;
  readonly #alarms: VirtualAlarm[] = [];
  #now: number;
  #frozen = 0;
  /** Those who wait for idleness. They come before a jump. */
  #waiters: (() => void)[] = [];
  /** Whether a look is due: looks are made only while somebody is interested in the answer. */
  #looking = false;
  /** Whether something happened since the last look. */
  #stirred = true;
  /** The I/O events that the loop had seen at the last look. */
  #events = -1;
  /** Since when nothing happened, in real time. */
  #quietSince = 0;

  constructor(options: VirtualClockOptions = {}) {
    const { start = 0, autojump = true, settle = 0 } = options;
    checkFiniteTime('options.start', start);
    checkFiniteTime('options.settle', settle);
    if (settle < 0) throw outOfRange('options.settle', 'a number >= 0', settle);
    this.#now = start;
    this.#autojump = autojump;
    this.#settle = settle;
  }

  /** The virtual time, in milliseconds. */
  now(): number {
    return this.#now;
  }

  /** The earliest moment that anything waits for; `Infinity` if nothing waits for a time. */
  nextDeadline(): number {
    return this.#alarms.some((alarm) => alarm.held && alarm.deadline !== Infinity)
      ? this.#nextAlarm()
      : Infinity;
  }

  /**
   * Moves the time on by `duration` milliseconds, from deadline to deadline: at each, what became
   * ready runs until all is idle again. Resolves when that is done. Not a checkpoint: a cancelled
   * task may call it. RangeError if negative, NaN or infinite.
   */
  async advance(duration: number): Promise<void> {
    checkFiniteTime('duration', duration);
    if (duration < 0) throw outOfRange('duration', 'a number >= 0', duration);
    const end = this.#now + duration;
    await this.untilIdle();
    for (let next = this.#nextAlarm(); next <= end; next = this.#nextAlarm()) {
      this.#moveTo(next);
      await this.untilIdle();
    }
    this.#moveTo(end);
  }

  /**
   * Resolves when all is idle, before time jumps. If what is done then makes anything ready, time
   * waits for that too. So a test can let everything happen that happens at one moment, and look at
   * it. Not a checkpoint: a cancelled task may call it.
   */
  untilIdle(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.#stir();
    });
  }

  /**
   * Holds the time until the result is disposed of, once for each call: `using _ = clock.freeze()`
   * around work that takes real time.
   */
  freeze(): Disposable {
    let disposed = false;
    this.#frozen++;
    return {
      [Symbol.dispose]: () => {
        if (disposed) return;
        disposed = true;
        this.#frozen--;
        this.#stir();
      },
    };
  }

  /** For backends: see {@link Clock.createAlarm}. */
  createAlarm(ring: () => void): Alarm {
    const alarm = new VirtualAlarm(ring, () => {
      this.#stir();
    });
    this.#alarms.push(alarm);
    return alarm;
  }

  /** For backends: see {@link Clock.nextTurn}. */
  nextTurn(callback: () => void): void {
    // An immediate that is due holds the time, whoever's it is.
    this.#stirred = true;
    outsideOfTasks(() => setImmediate(callback));
  }

  /**
   * Also of alarms that nobody holds: they ring when time passes, but it does not pass for them.
   */
  #nextAlarm(): number {
    return this.#alarms.reduce((earliest, alarm) => Math.min(earliest, alarm.deadline), Infinity);
  }

  #moveTo(time: number): void {
    if (time > this.#now) this.#now = time;
    this.#stir();
  }

  #stir(): void {
    this.#stirred = true;
    this.#watch();
  }

  #watch(): void {
    if (this.#looking || !this.#isWanted()) return;
    this.#looking = true;
    outsideOfTasks(() => setImmediate(this.#look));
  }

  #isWanted(): boolean {
    if (this.#waiters.length > 0 || this.#alarms.some((alarm) => alarm.deadline <= this.#now))
      return true;
    return this.#autojump && this.nextDeadline() !== Infinity;
  }

  /** From the event loop, once in a round. */
  readonly #look = (): void => {
    this.#looking = false;
    this.#ring();
    // The last one to let go will look again.
    if (this.#frozen > 0) return;

    const { events } = performance.nodeTiming.uvMetricsInfo;
    const resources = process.getActiveResourcesInfo();
    const working = resources.some((name) => atWork.test(name));
    const busy =
      this.#stirred || events !== this.#events || working || resources.includes('Immediate');
    this.#stirred = false;
    this.#events = events;

    if (busy) this.#quietSince = performance.now();
    const remaining = this.#settle === 0 ? 0 : this.#quietSince + this.#settle - performance.now();
    if (!busy && remaining <= 0) this.#onIdle();
    else if (working || remaining > 0) this.#lookLater(working ? PATIENCE : remaining);
    this.#watch();
  };

  #lookLater(delay: number): void {
    if (this.#looking || !this.#isWanted()) return;
    this.#looking = true;
    outsideOfTasks(() => setTimeout(this.#look, delay));
  }

  #onIdle(): void {
    if (this.#waiters.length > 0) {
      const waiters = this.#waiters;
      this.#waiters = [];
      this.#stirred = true;
      for (const wake of waiters) wake();
      return;
    }
    const next = this.nextDeadline();
    if (!this.#autojump || next === Infinity) return;
    this.#now = Math.max(this.#now, next);
    this.#ring();
  }

  /** Rings the alarms that are due, in the order of their deadlines. */
  #ring(): void {
    const due = this.#alarms
      .filter((alarm) => alarm.deadline <= this.#now)
      .sort((a, b) => a.deadline - b.deadline);
    for (const alarm of due) {
      this.#stirred = true;
      alarm.ring();
    }
  }
}

class VirtualAlarm implements Alarm {
  deadline = Infinity;
  held = false;
  readonly #ring: () => void;
  readonly #stir: () => void;

  constructor(ring: () => void, stir: () => void) {
    this.#ring = ring;
    this.#stir = stir;
  }

  set(deadline: number): void {
    this.deadline = deadline;
    this.#stir();
  }

  hold(on: boolean): void {
    if (on === this.held) return;
    this.held = on;
    this.#stir();
  }

  ring(): void {
    this.deadline = Infinity;
    this.#ring();
  }
}

function checkFiniteTime(name: string, value: unknown): void {
  checkTime(name, value);
  if (!Number.isFinite(value)) throw outOfRange(name, 'a finite number', value);
}

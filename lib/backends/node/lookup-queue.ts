import type { BegunLookup } from '../../networking/shared-lookups';

/** The default of libuv, and its bounds, for UV_THREADPOOL_SIZE. */
const DEFAULT_THREADS = 4;
const MAX_THREADS = 1024;

/**
 * How many look-ups libuv runs at once: half of its pool, so that they leave threads to file
 * systems.
 */
export function lookupThreads(setting: string | undefined): number {
  if (setting === undefined) return Math.ceil(DEFAULT_THREADS / 2);
  const threads = Number.parseInt(setting, 10);
  const count = Number.isNaN(threads) ? 1 : Math.min(Math.max(threads, 1), MAX_THREADS);
  return Math.ceil(count / 2);
}

/**
 * Look-ups that wait for a thread of libuv. Node.js cannot take back what libuv has queued, so no
 * more are given to libuv than it runs at once. Those that wait here are dropped when nobody waits
 * for them.
 */
export class LookupQueue {
  readonly #waiting = new Set<() => Promise<void>>();
  readonly #threads: number;
  #running = 0;

  constructor(threads: number) {
    this.#threads = threads;
  }

  /**
   * To be called in the context of no task, as SharedLookups does: what ends one look-up begins the
   * next.
   * @param run makes the look-up, and never rejects. A function of its own for each call
   */
  add(run: () => Promise<void>): BegunLookup {
    this.#waiting.add(run);
    this.#fill();
    return { setWanted: (isWanted) => isWanted || !this.#waiting.delete(run) };
  }

  #fill(): void {
    for (const run of this.#waiting) {
      if (this.#running >= this.#threads) return;
      this.#waiting.delete(run);
      this.#running++;
      void run().then(() => {
        this.#running--;
        this.#fill();
      });
    }
  }
}

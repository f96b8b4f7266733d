// Turns that the hypervisor left alone, on machines that are shared.
import { existsSync, readFileSync } from 'node:fs';

/**
 * From so much of a core on that it gave to others, of 100, a turn is repeated: what was stolen
 * counts as CPU time of whoever ran, and others on the same core take its caches along.
 */
const STOLEN = 5;
const TRIES = 4;

/**
 * The calmest of a few turns, however fast it was: the first one that was calm, if any is.
 * @template {{ stolen: number }} T `stolen`: of 100 of a core.
 * @param {() => Promise<T>} turn
 */
export async function calmest(turn) {
  let best = await turn();
  for (let count = 1; count < TRIES && best.stolen >= STOLEN; count++) {
    const another = await turn();
    if (another.stolen < best.stolen) best = another;
  }
  return best;
}

/** Seconds of all cores that the hypervisor has given to others. 0 where nobody counts them. */
export function stolenSeconds() {
  if (!existsSync('/proc/stat')) return 0;
  // cpu user nice system idle iowait irq softirq steal, in hundredths
  const [, ...ticks] = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0].split(/\s+/);
  return Number(ticks[7] ?? 0) / 100;
}

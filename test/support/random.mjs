// Pseudo-random numbers from a seed, for tests and for the programs that they run in processes of
// their own.

/**
 * Returns a function that gives integers from 0 to below its argument (at most 2 ** 32), the same
 * ones for the same seed in every run. Seeds that are near each other give unlike sequences
 * (mulberry32).
 * @param {number} seed An integer. Its lowest 32 bits count.
 * @returns {(limit: number) => number}
 */
export function seededRandom(seed) {
  let state = seed | 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

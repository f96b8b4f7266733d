// Medians and spread of the rounds.

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * @typedef {{ median: number, min: number, max: number }} Spread
 */

/**
 * Each number of the samples, by its name.
 * @param {readonly import('./net/measure.mjs').Sample[]} samples
 * @returns {Record<string, Spread>}
 */
export function summarize(samples) {
  return Object.fromEntries(
    Object.keys(samples[0]).map((name) => {
      const values = samples.map((sample) => sample[name]);
      return [name, { median: median(values), min: Math.min(...values), max: Math.max(...values) }];
    }),
  );
}

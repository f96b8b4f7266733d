// Two builds of this package, measured in the same rounds: by how much one differs from the other.
import { median } from './statistics.mjs';
import { digits, textTable } from './text.mjs';

/** A smaller difference is within what two runs of the same build differ by. */
const NOTABLE = 1.05;

/**
 * @typedef {object} Comparison
 * @property {string} card What was measured: a case and its opponent.
 * @property {string} measure With its unit; less is better.
 * @property {number} base Median of the other checkout's rounds.
 * @property {number} now Median of this checkout's rounds.
 * @property {number} ratio `now / base` of each round, the median of them. Both turns of a round
 *   follow each other, so that what disturbs the machine for longer disturbs both.
 * @property {number} least @property {number} most Of the ratios.
 * @property {boolean} slower More than 5 % slower, and slower in three quarters of the rounds.
 */

/**
 * @param {string} card @param {string} measure
 * @param {readonly number[]} base One number for each round, in their order.
 * @param {readonly number[]} now
 * @returns {Comparison[]} Empty if the measure was too small in every round.
 */
export function compare(card, measure, base, now) {
  const ratios = now
    .slice(0, base.length)
    .map((value, round) => value / base[round])
    .filter((ratio) => Number.isFinite(ratio))
    .sort((a, b) => a - b);
  if (ratios.length === 0) return [];
  const ratio = median(ratios);
  const one = {
    card,
    measure,
    base: median(base),
    now: median(now),
    ratio,
    least: ratios[0],
    most: ratios[ratios.length - 1],
    slower: ratio > NOTABLE && ratios[Math.floor(ratios.length / 4)] > 1,
  };
  return [one];
}

/**
 * The table at the end of a run.
 * @param {readonly Comparison[]} comparisons
 * @param {string} commit Of the base.
 */
export function comparisonText(comparisons, commit) {
  const rows = comparisons.map((one) => [
    one.card,
    one.measure,
    digits(one.base),
    digits(one.now),
    one.ratio.toFixed(2),
    `${one.least.toFixed(2)}–${one.most.toFixed(2)}`,
    one.slower ? 'slower' : '',
  ]);
  const slower = comparisons.filter((one) => one.slower).length;
  const count = slower === 0 ? 'nothing' : `${String(slower)} of ${String(comparisons.length)}`;
  return [
    `Side by side with ${commit}: above 1, this checkout takes more.`,
    textTable(['', 'measure', 'base', 'now', 'now/base', 'of the rounds', 'notes'], rows),
    `Slower by more than 5 %, in three quarters of the rounds: ${count}.`,
  ].join('\n');
}

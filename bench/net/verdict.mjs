// Finds the measures in which another opponent is better than this library.
import { isOurs } from './opponents.mjs';

/** The measures that are compared, and whether less is better. */
const measures = [
  { name: 'cpu', title: 'CPU', less: true },
  { name: 'user', title: 'user', less: true },
  { name: 'rate', title: 'rate', less: false },
  { name: 'p50', title: 'p50', less: true },
  { name: 'p99', title: 'p99', less: true },
  { name: 'rss', title: 'memory', less: true },
  { name: 'grown', title: 'memory of a connection', less: true },
];

/**
 * Whether a measure of two opponents may be compared: two runs find the machine in different
 * states, which changes all measures but memory.
 * @param {string} measure @param {import('../summary.mjs').OpponentSummary} one @param
 *   {import('../summary.mjs').OpponentSummary} other
 */
export function areComparable(measure, one, other) {
  const isMemory = measure === 'rss' || measure === 'grown';
  return isMemory || one.measured?.date === other.measured?.date;
}

/** Two runs of the same program may differ by a smaller factor. */
const NOTABLE = 1.05;

/**
 * The opponents that stand for this library: `native`; where connections are handed over, the one
 * that passes fds; on several cores, the one with reusePort.
 */
export const ours = ['native', 'native-fd', 'native-reuseport'];

/**
 * @typedef {object} Loss
 * @property {string} scenario @property {string} title @property {string} opponent @property
 *   {string} label @property {string} measure
 * @property {number} factor How many times worse this library is.
 * @property {number} own @property {number} other
 */

/**
 * Every measure of every case in which this library is worse than another opponent by more than
 * 5 %, and the ranges of both do not overlap. Variants of this library are no other opponents.
 * @param {readonly import('../summary.mjs').ScenarioSummary[]} results
 * @returns {Loss[]} The worst first.
 */
export function findLosses(results) {
  const losses = results.flatMap((scenario) =>
    scenario.cases.flatMap((one) => {
      const own = one.opponents.find(({ name }) => ours.includes(name));
      if (own === undefined) return [];
      const others = one.opponents.filter(({ name }) => !isOurs(name));
      return others.flatMap((other) =>
        measures.flatMap(({ name, title, less }) => {
          if (!areComparable(name, own, other)) return [];
          const [a, b] = [own.summary[name], other.summary[name]];
          if (a === undefined || b === undefined || Math.min(a.median, b.median) <= 0) return [];
          const factor = less ? a.median / b.median : b.median / a.median;
          const apart = less ? a.min > b.max : a.max < b.min;
          if (factor < NOTABLE || !apart) return [];
          const where = {
            scenario: scenario.name,
            title: `${scenario.title}: ${one.title}`,
            opponent: other.name,
            label: other.label,
          };
          return [{ ...where, measure: title, factor, own: a.median, other: b.median }];
        }),
      );
    }),
  );
  return losses.sort((a, b) => b.factor - a.factor);
}

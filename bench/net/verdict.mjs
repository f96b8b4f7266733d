// Where another one is better than this library.
import { isOurs } from './opponents.mjs';

/** What is compared, and whether less of it is better. */
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
 * Whether a measure of two opponents may be compared: what a run does to the machine changes all of
 * them but memory.
 * @param {string} measure @param {import('../summary.mjs').OpponentSummary} one @param
 *   {import('../summary.mjs').OpponentSummary} other
 */
export function areComparable(measure, one, other) {
  const isMemory = measure === 'rss' || measure === 'grown';
  return isMemory || one.measured?.date === other.measured?.date;
}

/** Smaller differences are within what one run and the next differ by. */
const NOTABLE = 1.05;

/**
 * What a case's own program is called: `native`, or in a hand-over the one that passes fds, or over
 * several cores the one that needs none.
 */
export const ours = ['native', 'native-fd', 'native-reuseport'];

/**
 * @typedef {object} Loss
 * @property {string} scenario @property {string} title @property {string} opponent @property
 *   {string} label @property {string} measure
 * @property {number} factor How many times worse than the other one.
 * @property {number} own @property {number} other
 */

/**
 * Every measure of every case in which `native` is worse than another one by more than 5 %, and
 * outside of both spreads. Its own variants, and what is built on it, are no others.
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

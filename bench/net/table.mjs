// Results as text.
import { digits } from '../text.mjs';
import { areComparable } from './verdict.mjs';

/**
 * Half of the range of the rounds, in percent of their median.
 * @param {import('../statistics.mjs').Spread} spread
 */
export function spreadPercent({ median, min, max }) {
  return median === 0 ? 0 : (50 * (max - min)) / median;
}

/** The column titles for a unit. @param {string} unit */
export function unitTitles(unit) {
  if (unit === 'GB') return { cpu: 'CPU ms/GB', rate: 'GB/s' };
  if (unit === 'idle connection') return { cpu: 'CPU µs/connection', rate: 'opened/s' };
  return { cpu: `CPU µs/${unit}`, rate: `${unit}s/s` };
}

/** Percent of a core. When the load generator takes that much, the rate is its own limit. */
const CLIENT_BOUND = 95;
const DISTURBED = 10;

/** The last column of a line. @param {import('../summary.mjs').OpponentSummary} opponent */
function notesOf({ summary, measured }) {
  return [
    ...(summary.client.median >= CLIENT_BOUND ? ['client full'] : []),
    ...(summary.lost.median >= 0.01 ? [`${digits(summary.lost.median)} % lost`] : []),
    ...(summary.others.median >= DISTURBED ? ['disturbed'] : []),
    ...(summary.stolen.median >= DISTURBED ? ['core stolen'] : []),
    ...(measured === undefined
      ? []
      : [`measured ${measured.date.slice(0, 10)}, ${measured.commit}`]),
  ].join(', ');
}

/**
 * The rows of one case.
 * @param {import('../summary.mjs').ScenarioSummary} scenario @param
 *   {import('../summary.mjs').CaseSummary} one
 * @returns {{ columns: string[], rows: string[][], remarks: string[] }}
 */
export function caseTable(scenario, one) {
  const { cpu, rate } = unitTitles(scenario.unit);
  const idle = scenario.mode === 'idle';
  const key = idle ? 'grown' : 'cpu';
  const base = one.opponents.find(({ name }) => name === one.base);
  const columns = [
    '',
    idle ? 'KiB/connection' : cpu,
    `× ${one.base}`,
    '±',
    'user',
    'system',
    rate,
    'p50 µs',
    'p99 µs',
    'RSS MB',
    ...(scenario.unpinned === true ? ['client %'] : []),
    'notes',
  ];
  const rows = one.opponents.map((opponent) => {
    const { label, summary } = opponent;
    const value = (/** @type {string} */ name) =>
      summary[name] === undefined ? '' : digits(summary[name].median);
    const main = summary[key];
    const divisor = base?.summary[key].median ?? 0;
    const hasRatio = divisor > 0 && areComparable(key, opponent, base);
    return [
      label,
      idle ? digits(main.median / 1024) : digits(main.median),
      hasRatio ? (main.median / divisor).toFixed(2) : '',
      `${spreadPercent(main).toFixed(0)} %`,
      ...['user', 'system', 'rate', 'p50', 'p99'].map(value),
      digits(summary.rss.median / 1e6),
      ...(scenario.unpinned === true ? [value('client')] : []),
      notesOf(opponent),
    ];
  });
  const used = columns.map((_, i) => i === 0 || rows.some((row) => row[i] !== ''));
  const shown = (/** @type {string[]} */ row) => row.filter((_, i) => used[i]);
  const remarks = Object.entries(one.failures).map(([name, reason]) => `${name} failed: ${reason}`);
  return { columns: shown(columns), rows: rows.map(shown), remarks };
}

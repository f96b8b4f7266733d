// The head of the report: this library beside what most people have now, and the cases in which
// others are better.
import { findLosses, ours } from '../net/verdict.mjs';
import { table } from './html.mjs';

/** @typedef {import('../summary.mjs').Summary} Summary */

/** @param {readonly Summary[]} runs */
const versions = (runs) => runs.map(({ environment }) => `Node.js ${environment.node.version}`);

/**
 * Rows by their keys, with a cell for each run.
 * @param {readonly Summary[]} runs
 * @param {(run: Summary) => { key: string[], text: string }[]} cellsOf Cells of one key and one run
 *   are joined.
 */
function rowsOf(runs, cellsOf) {
  /** @type {Map<string, { key: string[], texts: string[][] }>} */
  const rows = new Map();
  runs.forEach((run, column) => {
    for (const { key, text } of cellsOf(run)) {
      const name = key.join('\n');
      const row = rows.get(name) ?? { key, texts: runs.map(() => []) };
      row.texts[column].push(text);
      rows.set(name, row);
    }
  });
  return [...rows.values()].map(({ key, texts }) => ({
    cells: [...key, ...texts.map((list) => list.join(', '))],
  }));
}

/** This library divided by the base of each case. @param {readonly Summary[]} runs */
export function overview(runs) {
  const rows = rowsOf(runs, ({ net }) =>
    (net?.scenarios ?? []).flatMap((scenario) =>
      scenario.cases.flatMap((one) => {
        const own = one.opponents.find(({ name }) => ours.includes(name));
        const base = one.opponents.find(({ name }) => name === one.base);
        if (own === undefined || base === undefined || own === base) return [];
        const ratio = (/** @type {string} */ name) => {
          const divisor = base.summary[name].median;
          // Too little for the timer interrupts to find.
          return divisor > 0 ? (own.summary[name].median / divisor).toFixed(2) : '–';
        };
        const text =
          scenario.mode === 'idle'
            ? `${ratio('grown')} (memory)`
            : `${ratio('cpu')} (user ${ratio('user')})`;
        return [{ key: [`${scenario.title}: ${one.title}`, base.label], text }];
      }),
    ),
  );
  if (rows.length === 0) return '';
  return `<h2>In short</h2>
<p>Server CPU per unit of work of <b>sockscope native</b>, divided by that of the one that most
people have now: below 1 is less. In parentheses the same of the time in user space, which is all
that a library can change.
${table(['work', 'divided by', ...versions(runs)], rows)}`;
}

/** Every measure in which another one is better. @param {readonly Summary[]} runs */
export function losses(runs) {
  if (runs.every(({ net }) => net === undefined)) return '';
  const rows = rowsOf(runs, ({ net }) =>
    findLosses(net?.scenarios ?? []).map(({ title, label, measure, factor }) => ({
      key: [title, label],
      text: `${measure} ${factor.toFixed(2)}`,
    })),
  );
  // In the order of the scenarios, not of one run's factors.
  const order = [
    ...new Set(
      runs.flatMap(
        ({ net }) =>
          net?.scenarios.flatMap(({ title, cases }) =>
            cases.map((one) => `${title}: ${one.title}`),
          ) ?? [],
      ),
    ),
  ];
  rows.sort((a, b) => order.indexOf(a.cells[0]) - order.indexOf(b.cells[0]));
  const grouped = rows.map(({ cells: [title, ...cells] }, i) => {
    if (i > 0 && rows[i - 1].cells[0] === title) return { cells };
    const height = rows.filter((row) => row.cells[0] === title).length;
    return { cells: [{ text: title, rows: height }, ...cells] };
  });
  const columns = ['work', 'who is better', ...versions(runs)];
  return `<h2>Where we lose</h2>
<p>Every case and measure in which another one is better than <b>sockscope native</b> by more than
5 %, and outside of the spread of the rounds: by how many times. <i>user</i> is CPU in user space;
<i>p50</i> and <i>p99</i> are of the latency. The figures are in the tables below.
${grouped.length === 0 ? '<p>There is none.' : table(columns, grouped, 'texts')}`;
}

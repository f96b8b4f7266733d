// A section for each scenario, and a table for each case, with all versions of Node.js.
import { scenarios } from '../net/scenarios.mjs';
import { caseTable } from '../net/table.mjs';
import { escape, table } from './html.mjs';

/** @typedef {import('../summary.mjs').Summary} Summary */
/** @typedef {import('../summary.mjs').ScenarioSummary} Scenario */
/** @typedef {import('../summary.mjs').CaseSummary} Case */
/** @typedef {{ version: string, scenario: Scenario, one: Case }} Run */

/** @param {readonly Summary[]} runs */
export function scenarioNames(runs) {
  return [...new Set(runs.flatMap(({ net }) => net?.scenarios.map(({ name }) => name) ?? []))];
}

/** @param {readonly Summary[]} runs */
export function caseSections(runs) {
  return scenarioNames(runs)
    .map((name) => section(runs, name))
    .join('\n');
}

/** @param {readonly Summary[]} runs @param {string} name */
function section(runs, name) {
  const all = runs.flatMap(({ environment, net }) => {
    const scenario = net?.scenarios.find((candidate) => candidate.name === name);
    const version = environment.node.version.split('.')[0];
    return scenario?.cases.map((one) => ({ version, scenario, one })) ?? [];
  });
  const [{ scenario }] = all;
  const cases = [...new Set(all.map(({ one }) => one.name))].map((caseName) => {
    const found = all.filter(({ one }) => one.name === caseName);
    return `<h4>${escape(found[0].one.title)}</h4>\n${caseTables(found)}${remarks(found)}`;
  });
  const { note = '' } = scenarios.find((known) => known.name === name) ?? {};
  return `<h3 id=${name}>${escape(scenario.title)} <small>(${name}, ${scenario.card})</small></h3>
<p class=note>${escape(note)}
${cases.join('\n')}`;
}

/** @param {readonly Run[]} runs Of one case. */
function remarks(runs) {
  return runs
    .flatMap(({ version, scenario, one }) => {
      const { measured } = one;
      const again =
        measured === undefined
          ? []
          : [`measured anew at ${measured.date}, ${measured.commit}: ${measured.command}`];
      const said = caseTable(scenario, one).remarks.map((remark) => remark.split('\n')[0]);
      return [...said, ...again].map(
        (text) => `\n<p class=note>Node.js ${version}: ${escape(text)}`,
      );
    })
    .join('');
}

/** @param {readonly Run[]} runs Of one case. */
function caseTables(runs) {
  const tables = runs.map(({ scenario, one }) => caseTable(scenario, one));
  // The one that the ratios divide by may be missing under one version.
  const bases = [...new Set(runs.map(({ one }) => one.base))];
  const title = (/** @type {string} */ column) =>
    column.startsWith('×') ? `× ${bases.join(' or ')}` : column;
  const all = runs.map((_, i) => tables[i].columns.map(title));
  const columns = all.reduce((widest, some) => (some.length > widest.length ? some : widest), []);
  const bar = barOf(runs);
  const rows = runs.flatMap(({ version, one }, run) =>
    one.opponents.map((opponent, i) => {
      const texts = columns.map((column) => tables[run].rows[i][all[run].indexOf(column)] ?? '');
      const [label, text, ...others] = texts;
      const cells = [label, { text, bar: bar(opponent) }, ...others];
      const first = i === 0 ? [{ text: version, rows: one.opponents.length }] : [];
      return {
        cells: [...first, ...cells],
        class: opponent.name.startsWith('native') ? 'own' : '',
      };
    }),
  );
  return rows.length === 0 ? '' : table(['Node.js', ...columns], rows);
}

/**
 * How long the bar behind the main measure of an opponent is, from 0 to 1. CPU time has two ends,
 * of which the first is that of user space.
 * @param {readonly Run[]} runs
 * @returns {(opponent: import('../summary.mjs').OpponentSummary) => number[]}
 */
function barOf(runs) {
  const names = runs[0].scenario.mode === 'idle' ? ['grown'] : ['user', 'cpu'];
  const main = names[names.length - 1];
  const all = runs.flatMap(({ one }) => one.opponents.map(({ summary }) => summary[main].median));
  const most = Math.max(...all, Number.MIN_VALUE);
  return ({ summary }) => names.map((name) => summary[name].median / most);
}

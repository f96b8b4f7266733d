// The network benchmarks: plans the cases, measures them, and returns all results in one object.
import process from 'node:process';
import { baseName } from '../base.mjs';
import { installOpponents } from '../opponents/index.mjs';
import { compare } from '../side-by-side.mjs';
import { compileLoadGenerator } from './compile.mjs';
import { measureCase } from './measure.mjs';
import { findOpponents, isOurs, opponents, unobtainable } from './opponents.mjs';
import { choosePins, interrupt, isInterrupted } from './processes.mjs';
import { Progress } from './progress.mjs';
import { scenarios } from './scenarios.mjs';
import { summarize } from '../statistics.mjs';
import { textTable } from '../text.mjs';
import { caseTable, unitTitles } from './table.mjs';

/**
 * @typedef {object} CaseResult
 * @property {string} name @property {string} title @property {string} base The opponent that the
 *   ratios divide by.
 * @property {(import('../summary.mjs').OpponentSummary & { samples:
 *   import('./measure.mjs').Sample[] })[]} opponents
 * @property {Record<string, string>} failures Why an opponent could not finish, by its name.
 */
/**
 * @typedef {Pick<import('./scenarios.mjs').Scenario, 'name' | 'card' | 'title' | 'unit' | 'mode' |
 *   'unpinned'> & { cases: CaseResult[] }} ScenarioResult
 */
/**
 * @typedef {object} NetOptions
 * @property {readonly string[]} [names] Scenarios, or `scenario/case`; default all.
 * @property {readonly string[]} [against] Opponents; default each scenario's own.
 * @property {boolean} [quick] Two minutes: the first case of each scenario, few opponents, short
 *   rounds.
 * @property {number} [rounds] @property {number} [seconds] @property {number} [warmup]
 * @property {number} [requests] Ends a turn before its time.
 * @property {string} [node] The Node.js that runs servers; default this one.
 * @property {boolean} [install] False: installs nothing, and measures the installed opponents.
 * @property {import('../base.mjs').Base} [base] Another build of this library, to be measured
 *   instead of other opponents.
 * @property {(line: string) => void} [say]
 */

/**
 * Seconds that a turn takes besides its warm-up and its own time: starting programs, connecting,
 * reading results.
 */
const TURN_OVERHEAD = 0.25;
const REMARK_LINES = 8;
const FULL = { rounds: 5, seconds: 2, warmup: 0.5 };
const QUICK = { rounds: 2, seconds: 0.5, warmup: 0.25 };
/** Two builds differ by less than two runtimes do, so that more rounds are needed. */
const BASE = { rounds: 5 };

/** @param {import('./scenarios.mjs').Scenario} scenario */
const caseNames = ({ cases }) => cases.map(({ name }) => name);

/** Names that `names` may hold. */
export const scenarioNames = scenarios.map(({ name }) => name);
export const opponentNames = Object.keys(opponents);

/**
 * The requested cases, each with the opponents that take part.
 * @param {NetOptions} options
 * @throws {Error} For an unknown name.
 */
function plan({ names = [], against, quick = false, base }) {
  for (const name of against ?? []) {
    if (!(name in opponents))
      throw new Error(`no opponent "${name}": there are ${opponentNames.join(', ')}`);
  }
  const wanted = names.length === 0 ? scenarioNames : names;
  const cases = wanted.flatMap((wish) => {
    const [name, caseName] = wish.split('/');
    const scenario = scenarios.find((candidate) => candidate.name === name);
    if (scenario === undefined)
      throw new Error(`no scenario "${name}": there are ${scenarioNames.join(', ')}`);
    const found = scenario.cases.filter((one) => caseName === undefined || one.name === caseName);
    if (found.length === 0)
      throw new Error(
        `${name} has no case "${caseName}": it has ${caseNames(scenario).join(', ')}`,
      );
    return (quick ? found.slice(0, 1) : found).map((one) => {
      const all = one.opponents ?? scenario.opponents;
      const usual = quick ? scenario.quick : all;
      const chosen = against?.filter((candidate) => all.includes(candidate)) ?? usual;
      return { scenario, one, takingPart: base === undefined ? chosen : inTwoBuilds(chosen) };
    });
  });
  const planned = cases.filter(({ takingPart }) => takingPart.length > 0);
  if (planned.length === 0)
    throw new Error(`none of ${(against ?? []).join(', ')} takes part in ${wanted.join(', ')}`);
  return planned;
}

/** This library alone, each of its variants in both builds. @param {readonly string[]} names */
function inTwoBuilds(names) {
  return names.filter(isOurs).flatMap((name) => [name, baseName(name)]);
}

/**
 * Measures, and prints tables as it goes.
 * @param {NetOptions} [options]
 */
export async function run(options = {}) {
  const {
    quick = false,
    node = process.execPath,
    install = true,
    requests = 0,
    base,
    say = console.log,
  } = options;
  if (process.platform !== 'linux')
    throw new Error('the network benchmarks read /proc and use epoll: they need Linux');
  const defaults = { ...(quick ? QUICK : FULL), ...(base === undefined ? {} : BASE) };
  const settings = {
    rounds: options.rounds ?? defaults.rounds,
    seconds: options.seconds ?? defaults.seconds,
    warmup: options.warmup ?? defaults.warmup,
    requests,
  };
  const cases = plan(options);
  const noInstall = install && base === undefined ? installOpponents(say) : undefined;
  if (noInstall !== undefined) say(`Not everything could be installed: ${noInstall}`);
  const loadGenerator = compileLoadGenerator();
  const { found, missing } = findOpponents(
    [...new Set(cases.flatMap(({ takingPart }) => takingPart))],
    node,
    base,
  );
  for (const [name, reason] of Object.entries(missing)) say(`without ${name}: ${reason}`);
  const pins = choosePins();
  if (pins === undefined)
    say(
      'Client and server share the cores, because there is one core, or no taskset: ' +
        'the numbers will scatter.',
    );

  const here = cases.map((entry) => ({
    ...entry,
    takingPart: entry.takingPart.filter((name) => name in found),
  }));
  const turns = here.reduce((sum, { takingPart }) => sum + takingPart.length, 0) * settings.rounds;
  if (turns === 0) throw new Error('no opponent can run here');
  const progress = new Progress(turns, settings.warmup + settings.seconds + TURN_OVERHEAD);
  // A signal ends the servers. The run then fails, and removes its network and its folder.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.once(signal, interrupt);
  /** @type {ScenarioResult[]} */
  const results = [];
  try {
    for (const { scenario, one, takingPart } of here) {
      if (takingPart.length === 0) continue;
      const result = await measureOne(
        { scenario, one, names: takingPart, found, loadGenerator, pins, settings },
        progress,
      );
      scenarioResult(results, scenario).cases.push(result);
      progress.clear();
      printCase(scenario, result, say);
    }
  } catch (error) {
    // The message of a killed program would hide the reason.
    throw isInterrupted() ? new Error('interrupted', { cause: error }) : error;
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
  progress.clear();
  return {
    results: {
      mode: 'net',
      settings: { ...settings, quick, pinned: pins !== undefined },
      missing: { ...missing, ...unobtainable },
      scenarios: results,
    },
    comparisons: results.flatMap(comparisonsOf),
  };
}

/**
 * @param {ScenarioResult[]} results @param {import('./scenarios.mjs').Scenario} scenario @returns
 *   {ScenarioResult}
 */
function scenarioResult(results, { name, card, title, unit, mode, unpinned }) {
  let result = results.find((candidate) => candidate.name === name);
  if (result === undefined) {
    result = { name, card, title, unit, mode, unpinned, cases: [] };
    results.push(result);
  }
  return result;
}

/**
 * What is compared of two builds: less of it is better.
 * @type {readonly { key: string, measure: (scenario: ScenarioResult) => string, value: (sample:
 *   import('./measure.mjs').Sample) => number | undefined }[]}
 */
const compared = [
  { key: 'grown', measure: () => 'KiB/connection', value: ({ grown }) => grown && grown / 1024 },
  { key: 'cpu', measure: ({ unit }) => unitTitles(unit).cpu, value: ({ cpu }) => cpu },
  { key: 'rate', measure: ({ unit }) => `µs/${unit}`, value: ({ rate }) => 1e6 / rate },
];

/** @param {ScenarioResult} scenario */
function comparisonsOf(scenario) {
  return scenario.cases.flatMap(({ name: caseName, opponents: measured }) =>
    measured.flatMap(({ name, samples }) => {
      const base = measured.find((one) => one.name === baseName(name))?.samples ?? [];
      const card = `${scenario.name}/${caseName} ${name}`;
      return compared
        .filter(({ key }) => base.length > 0 && base[0][key] !== undefined)
        .flatMap(({ measure, value }) =>
          compare(card, measure(scenario), base.map(value), samples.map(value)),
        );
    }),
  );
}

/**
 * @param {Omit<import('./measure.mjs').Turns, 'onTurn'>} turns @param {Progress} progress
 * @returns {Promise<CaseResult>}
 */
async function measureOne(turns, progress) {
  const { scenario, one, names, found, settings } = turns;
  progress.beginCase(`${scenario.name}: ${one.title}`);
  const base = names.includes(scenario.base) ? scenario.base : names[0];
  try {
    const { samples, failures } = await measureCase({
      ...turns,
      onTurn: (name, round) =>
        progress.turn(
          `${scenario.name}/${one.name}  ` +
            `round ${String(round + 1)}/${String(settings.rounds)}  ${name}`,
        ),
    });
    const measured = names.filter((name) => name in samples);
    return {
      name: one.name,
      title: one.title,
      base: measured.includes(base) ? base : (measured[0] ?? base),
      opponents: measured.map((name) => ({
        name,
        label: found[name].label,
        rounds: samples[name].length,
        summary: summarize(samples[name]),
        samples: samples[name],
      })),
      failures,
    };
  } catch (error) {
    // Where the network cannot be made, or not by this user, the other cases go on.
    if (one.network === undefined || isInterrupted()) throw error;
    return {
      name: one.name,
      title: one.title,
      base,
      opponents: [],
      failures: { [one.network]: error instanceof Error ? error.message : String(error) },
    };
  }
}

/**
 * @param {import('./scenarios.mjs').Scenario} scenario @param {CaseResult} result @param {(line:
 *   string) => void} say
 */
function printCase(scenario, result, say) {
  const { columns, rows, remarks } = caseTable({ ...scenario, cases: [] }, result);
  say(`\n${scenario.name}/${result.name} (${scenario.card}): ${scenario.title}, ${result.title}`);
  if (rows.length > 0) say(textTable(columns, rows));
  // The JSON has the whole message.
  for (const remark of remarks) say(remark.split('\n').slice(0, REMARK_LINES).join('\n'));
}

// The network benchmarks: which scenarios and opponents, run, and the results in one object.
import process from 'node:process';
import { installOpponents } from '../opponents/index.mjs';
import { compileLoadGenerator } from './compile.mjs';
import { measureCase } from './measure.mjs';
import { findOpponents, opponents, unobtainable } from './opponents.mjs';
import { choosePins, interrupt, isInterrupted } from './processes.mjs';
import { Progress } from './progress.mjs';
import { scenarios } from './scenarios.mjs';
import { summarize } from '../statistics.mjs';
import { caseTable, textTable } from './table.mjs';

/**
 * @typedef {object} CaseResult
 * @property {string} name @property {string} title @property {string} base Whose numbers the ratios
 *   divide by.
 * @property {{ name: string, label: string, summary: Record<string,
 *   import('../statistics.mjs').Spread>, samples: import('./measure.mjs').Sample[] }[]} opponents
 * @property {Record<string, string>} failures Who could not finish, and why.
 */
/**
 * @typedef {Pick<import('./scenarios.mjs').Scenario, 'name' | 'card' | 'title' | 'unit' | 'mode' |
 *   'unpinned' | 'note'> & { cases: CaseResult[] }} ScenarioResult
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
 * @property {boolean} [install] False: compares with what is there.
 * @property {(line: string) => void} [say]
 */

/**
 * Starting programs, connecting, reading results: what a turn takes besides its warm-up and its
 * time.
 */
const TURN_OVERHEAD = 0.25;
const REMARK_LINES = 8;
const FULL = { rounds: 5, seconds: 2, warmup: 0.5 };
const QUICK = { rounds: 2, seconds: 0.5, warmup: 0.25 };

/** Names that `names` may hold. */
export const scenarioNames = scenarios.map(({ name }) => name);
export const opponentNames = Object.keys(opponents);

/**
 * The cases that are asked for, each with who takes part.
 * @param {NetOptions} options
 * @throws {Error} For a name that there is not.
 */
function plan({ names = [], against, quick = false }) {
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
        `${name} has no case "${caseName}": it has ${scenario.cases.map((one) => one.name).join(', ')}`,
      );
    return (quick ? found.slice(0, 1) : found).map((one) => {
      const all = one.opponents ?? scenario.opponents;
      const usual = quick ? scenario.quick : all;
      return {
        scenario,
        one,
        takingPart:
          against === undefined ? usual : against.filter((candidate) => all.includes(candidate)),
      };
    });
  });
  const planned = cases.filter(({ takingPart }) => takingPart.length > 0);
  if (planned.length === 0)
    throw new Error(`none of ${(against ?? []).join(', ')} takes part in ${wanted.join(', ')}`);
  return planned;
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
    say = console.log,
  } = options;
  if (process.platform !== 'linux')
    throw new Error('the network benchmarks read /proc and use epoll: they need Linux');
  const defaults = quick ? QUICK : FULL;
  const settings = {
    rounds: options.rounds ?? defaults.rounds,
    seconds: options.seconds ?? defaults.seconds,
    warmup: options.warmup ?? defaults.warmup,
    requests,
  };
  const cases = plan(options);
  const noInstall = install ? installOpponents(say) : undefined;
  if (noInstall !== undefined) say(`Not everything could be installed: ${noInstall}`);
  const loadGenerator = compileLoadGenerator();
  const { found, missing } = findOpponents(
    [...new Set(cases.flatMap(({ takingPart }) => takingPart))],
    node,
  );
  for (const [name, reason] of Object.entries(missing)) say(`without ${name}: ${reason}`);
  const pins = choosePins();
  if (pins === undefined)
    say(
      'Client and server share the cores: there is but one, or no taskset. Numbers will scatter.',
    );

  const here = cases.map((entry) => ({
    ...entry,
    takingPart: entry.takingPart.filter((name) => name in found),
  }));
  const turns = here.reduce((sum, { takingPart }) => sum + takingPart.length, 0) * settings.rounds;
  if (turns === 0) throw new Error('no opponent can run here');
  const progress = new Progress(turns, settings.warmup + settings.seconds + TURN_OVERHEAD);
  // The servers end, and what was made for them (a network, a folder) goes with the run that ends
  // in an error.
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
    // What a killed program says is not the reason.
    throw isInterrupted() ? new Error('interrupted', { cause: error }) : error;
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
  progress.clear();
  return {
    mode: 'net',
    settings: { ...settings, quick, pinned: pins !== undefined },
    missing: { ...missing, ...unobtainable },
    scenarios: results,
  };
}

/**
 * @param {ScenarioResult[]} results @param {import('./scenarios.mjs').Scenario} scenario @returns
 *   {ScenarioResult}
 */
function scenarioResult(results, { name, card, title, unit, mode, unpinned, note }) {
  let result = results.find((candidate) => candidate.name === name);
  if (result === undefined) {
    result = { name, card, title, unit, mode, unpinned, note, cases: [] };
    results.push(result);
  }
  return result;
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
          `${scenario.name}/${one.name}  round ${String(round + 1)}/${String(settings.rounds)}  ${name}`,
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
        summary: summarize(samples[name]),
        samples: samples[name],
      })),
      failures,
    };
  } catch (error) {
    // This machine has no such network, or does not let this user make one: the other cases go on.
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
  // All of it is in the JSON.
  for (const remark of remarks) say(remark.split('\n').slice(0, REMARK_LINES).join('\n'));
}

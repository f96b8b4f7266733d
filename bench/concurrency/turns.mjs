// Lets the opponents take turns.
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { baseName, isBase, turnOrder } from '../base.mjs';
import { calmest, stolenSeconds } from '../calm.mjs';
import { Child } from '../child.mjs';
import { compare } from '../side-by-side.mjs';
import { median } from '../statistics.mjs';
import { cases, memory } from './cases.mjs';

const program = path.join(import.meta.dirname, 'opponent-process.mjs');
/** @type {readonly { file: string, library?: string }[]} The first one is this library. */
const files = [
  { file: 'sockscope' },
  { file: 'promises' },
  { file: 'abort-controller' },
  { file: 'abort-signal-timeout' },
  { file: 'effection', library: 'effection' },
  { file: 'effect', library: 'effect' },
];

/**
 * @typedef {{ median: number, min: number, max: number, wall: number, ratio: number }} Entry
 *   Nanoseconds of processor time per operation, of all rounds. `wall`: the median of the time that
 *   passed meanwhile. `ratio`: how many times this library's median the median is.
 */
/**
 * @typedef {object} Opponent
 * @property {string} name @property {string} node Its version. @property {readonly string[]} cases
 * @property {Child} child
 */

/**
 * The processes of all that take part: with a base, this library alone, in two builds.
 * @param {string} node @param {string | undefined} folder @param {import('../base.mjs').Base |
 *   undefined} base
 */
function startAll(node, folder, base) {
  const start = (/** @type {(typeof files)[number]} */ one, where = program) =>
    new Child(where, {
      node,
      args: [JSON.stringify({ ...one, folder })],
      execArgv: ['--expose-gc'],
      name: one.file,
    });
  if (base !== undefined) return [start(files[0]), start(files[0], base.program(program))];
  return files
    .filter(({ library }) => library === undefined || folder !== undefined)
    .map((one) => start(one));
}

/** @param {Opponent} opponent @param {string} key @param {number} n Operations. */
function timedTurn({ child }, key, n) {
  return calmest(async () => {
    const stolenBefore = stolenSeconds();
    const begin = performance.now();
    const took = await child.ask({ what: 'time', key, n });
    const stolen = (1e5 * (stolenSeconds() - stolenBefore)) / (performance.now() - begin);
    return { ...took, stolen };
  });
}

/**
 * All rounds of one case.
 * @param {readonly Opponent[]} all @param {string} key @param {{ rounds: number, milliseconds:
 *   number }} options
 */
async function measureCase(all, key, { rounds, milliseconds }) {
  const { batch = 1 } = cases[key];
  const entrants = new Map();
  for (const one of all) {
    if (!one.cases.includes(key)) continue;
    const n = await one.child.ask({ what: 'calibrate', key, batch, milliseconds });
    entrants.set(one.name, { one, n, cpu: [], wall: [] });
  }
  for (let round = 0; round < rounds; round++) {
    for (const name of turnOrder([...entrants.keys()], round)) {
      const entrant = entrants.get(name);
      const { cpu, wall } = await timedTurn(entrant.one, key, entrant.n);
      entrant.cpu.push(cpu);
      entrant.wall.push(wall);
    }
  }
  return entrants;
}

/**
 * @param {string} node The Node.js that is measured.
 * @param {{ rounds: number, milliseconds: number, folder: string | undefined, base?:
 *   import('../base.mjs').Base }} options `folder`: where the other libraries are, if anywhere.
 */
export async function takeTurns(node, { rounds, milliseconds, folder, base }) {
  const children = startAll(node, folder, base);
  try {
    /** @type {Opponent[]} */
    const all = [];
    for (const child of children) {
      const described = await child.ask({ what: 'describe' });
      const isFirst = all.every(({ name }) => name !== described.name);
      all.push({ ...described, name: isFirst ? described.name : baseName(described.name), child });
    }
    /** @type {Record<string, number | null>} */
    const bytes = {};
    for (const { name, child } of all)
      bytes[name] = await child.ask({ what: 'memory', count: memory.count });

    /** @type {Record<string, Record<string, Entry>>} */
    const table = {};
    const comparisons = [];
    for (const key of Object.keys(cases)) {
      const entrants = await measureCase(all, key, { rounds, milliseconds });
      const [{ cpu: own }] = entrants.values();
      table[key] = Object.fromEntries(
        [...entrants].map(([name, { cpu, wall }]) => [
          name,
          {
            median: median(cpu),
            min: Math.min(...cpu),
            max: Math.max(...cpu),
            wall: median(wall),
            ratio: median(cpu) / median(own),
          },
        ]),
      );
      for (const [name, { cpu }] of entrants)
        if (isBase(name))
          comparisons.push(...compare(`concurrency: ${cases[key].title}`, 'CPU ns', cpu, own));
    }
    const names = all.map(({ name }) => name);
    const [first, second] = names;
    if (base !== undefined)
      comparisons.push(
        ...compare(`concurrency: ${memory.title}`, 'bytes', [bytes[second]], [bytes[first]]),
      );
    return {
      node: all[0].node,
      rounds,
      opponents: names,
      nanoseconds: table,
      bytesPerTask: bytes,
      comparisons,
    };
  } finally {
    for (const child of children) child.kill();
  }
}

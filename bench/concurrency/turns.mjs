// Lets the contestants take turns.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { calmest, stolenSeconds } from '../calm.mjs';
import { cases, memory } from './cases.mjs';

const measure = path.join(import.meta.dirname, 'opponent-process.mjs');
/** @type {readonly { file: string, library?: string }[]} */
const files = [
  { file: 'sockscope' },
  { file: 'promises' },
  { file: 'abort-controller' },
  { file: 'abort-signal-timeout' },
  { file: 'effection', library: 'effection' },
  { file: 'effect', library: 'effect' },
];
/** No answer takes longer, however busy the machine: the calibration of the dearest case. */
const PATIENCE = 300_000;

class Contestant {
  /**
   * @param {string} node @param {{ file: string, library?: string, folder: string | undefined }}
   *   options
   */
  constructor(node, options) {
    this.file = options.file;
    this.child = fork(measure, [JSON.stringify(options)], {
      execPath: node,
      execArgv: ['--expose-gc'],
    });
  }

  /** @param {object} request @returns {Promise<any>} */
  async ask(request) {
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(), PATIENCE);
    const { signal } = over;
    try {
      this.child.send(request);
      const [message] = await Promise.race([
        once(this.child, 'message', { signal }),
        once(this.child, 'exit', { signal }).then(([status]) => {
          throw new Error(`${this.file} ended with ${String(status)}`);
        }),
      ]);
      if (message.error !== undefined) throw new Error(message.error);
      return message.answer;
    } catch (error) {
      if (signal.aborted)
        throw new Error(`${this.file} has not answered ${JSON.stringify(request)}`, {
          cause: error,
        });
      throw error;
    } finally {
      clearTimeout(timer);
      over.abort();
    }
  }
}

const median = (/** @type {number[]} */ values) =>
  values.toSorted((a, b) => a - b)[values.length >> 1];

/**
 * @typedef {{ median: number, min: number, max: number, wall: number, ratio: number }} Entry
 *   Nanoseconds of processor time per operation: of all rounds; `wall` is the median by the clock
 *   on the wall, and `ratio` how many times ours the median is.
 */

/**
 * @param {string} node The Node.js that is measured.
 * @param {{ rounds: number, milliseconds: number, folder: string | undefined }} options `folder`:
 *   where the other libraries are, if anywhere.
 */
export async function contest(node, { rounds, milliseconds, folder }) {
  const present = files.filter(({ library }) => library === undefined || folder !== undefined);
  const all = present.map((options) => new Contestant(node, { ...options, folder }));
  try {
    const described = await Promise.all(all.map((one) => one.ask({ what: 'describe' })));
    const names = described.map(({ name }) => name);
    /** @type {Record<string, number | null>} */
    const bytes = {};
    for (const [index, one] of all.entries())
      bytes[names[index]] = await one.ask({ what: 'memory', count: memory.count });

    /** @type {Record<string, Record<string, Entry>>} */
    const table = {};
    for (const [key, { batch = 1 }] of Object.entries(cases)) {
      const entrants = [];
      for (const [index, one] of all.entries()) {
        if (!described[index].cases.includes(key)) continue;
        entrants.push({
          name: names[index],
          one,
          n: await one.ask({ what: 'calibrate', key, batch, milliseconds }),
          cpu: [],
          wall: [],
        });
      }
      for (let round = 0; round < rounds; round++) {
        for (let turn = 0; turn < entrants.length; turn++) {
          // Another one begins each time: what disturbs the machine disturbs all.
          const entrant = entrants[(turn + round) % entrants.length];
          const { cpu, wall } = await calmest(async () => {
            const stolenBefore = stolenSeconds();
            const begin = performance.now();
            const took = await entrant.one.ask({ what: 'time', key, n: entrant.n });
            return {
              ...took,
              stolen: (1e5 * (stolenSeconds() - stolenBefore)) / (performance.now() - begin),
            };
          });
          entrant.cpu.push(cpu);
          entrant.wall.push(wall);
        }
      }
      const ours = median(entrants[0].cpu);
      table[key] = Object.fromEntries(
        entrants.map(({ name, cpu, wall }) => [
          name,
          {
            median: median(cpu),
            min: Math.min(...cpu),
            max: Math.max(...cpu),
            wall: median(wall),
            ratio: median(cpu) / ours,
          },
        ]),
      );
    }
    return {
      node: described[0].node,
      rounds,
      contestants: names,
      nanoseconds: table,
      bytesPerTask: bytes,
    };
  } finally {
    for (const { child } of all) child.kill();
  }
}

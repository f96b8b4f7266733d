// Threads: round trips of portal calls beside comlink's, and what runInThread adds to bare piscina.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { MessageChannel, Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { baseName, isBase, turnOrder } from '../base.mjs';
import { Child } from '../child.mjs';
import { installOpponents, opponentFile } from '../opponents/index.mjs';
import { compare } from '../side-by-side.mjs';
import { median } from '../statistics.mjs';
import { ask, timed } from './call.mjs';

const program = path.join(import.meta.dirname, 'sockscope-process.mjs');
const functions = new URL('./functions.mjs', import.meta.url);
const OWN = 'sockscope';

/** @param {number} calls */
async function comlinkRound(calls) {
  const file = opponentFile('comlink/dist/esm/comlink.mjs');
  if (file === undefined) return undefined;
  const comlink = pathToFileURL(file).href;
  const { expose } = await import(comlink);
  const { port1, port2 } = new MessageChannel();
  expose({ add: (a, b) => a + b }, port1);
  try {
    const worker = new Worker(new URL('./comlink-caller.mjs', import.meta.url), {
      workerData: { comlink },
    });
    return await ask(worker, { port: port2, calls }, [port2]);
  } finally {
    port1.close();
  }
}

/** The samples of each kind of call, by its name. */
class Samples {
  /** @type {Map<string, number[]>} */
  #lists = new Map();

  /** @param {string} name @param {number | undefined} value */
  note(name, value) {
    if (value === undefined) return;
    const list = this.#lists.get(name) ?? [];
    list.push(value);
    this.#lists.set(name, list);
  }

  rows() {
    return [...this.#lists].map(([name, values]) => ({
      name,
      median: median(values),
      min: Math.min(...values),
      max: Math.max(...values),
    }));
  }

  comparisons() {
    return [...this.#lists].flatMap(([name, values]) => {
      const base = this.#lists.get(baseName(name));
      return base === undefined ? [] : compare(`threads: ${name}`, 'µs', base, values);
    });
  }
}

/**
 * One round of each build.
 * @param {Map<string, Child>} builds @param {Samples} samples @param {number} round @param {number}
 *   calls
 */
async function ownRound(builds, samples, round, calls) {
  const order = turnOrder([...builds.keys()], round);
  const named = (build, name) => (isBase(build) ? baseName(name) : name);
  for (const build of order) {
    const kinds = await builds.get(build).ask({ what: 'portal', calls });
    for (const [kind, value] of Object.entries(kinds))
      samples.note(named(build, `portal ${kind}`), value);
  }
  for (const build of order)
    samples.note(
      named(build, 'runInThread'),
      await builds.get(build).ask({ what: 'runInThread', calls }),
    );
}

/**
 * @param {{ quick?: boolean, rounds?: number, calls?: number, install?: boolean, base?:
 *   import('../base.mjs').Base, say?: (line: string) => void }} [options] `base`: another build of
 *   this library, to be measured instead of comlink and piscina.
 * @returns Microseconds per call.
 */
export async function run({
  quick = false,
  base,
  rounds = quick && base === undefined ? 1 : 5,
  calls = quick ? 500 : 5000,
  install = true,
  say = console.log,
} = {}) {
  const samples = new Samples();
  const builds = new Map([[OWN, new Child(program)]]);
  if (base !== undefined) builds.set(baseName(OWN), new Child(base.program(program)));
  const missing = base === undefined && install ? installOpponents(say) : undefined;
  if (missing !== undefined) say(`without comlink: ${missing}`);
  const piscina = new Piscina({ filename: functions.href, maxThreads: 1, idleTimeout: 60_000 });
  try {
    for (let round = 0; round < rounds; round++) {
      await ownRound(builds, samples, round, calls);
      if (base !== undefined) continue;
      samples.note('comlink call', await comlinkRound(calls));
      samples.note('piscina run', await timed(calls, () => piscina.run([1, 2])));
    }
  } finally {
    for (const child of builds.values()) child.kill();
    await piscina.destroy();
  }
  const rows = samples.rows();
  for (const { name, median: middle, min, max } of rows) {
    const range = `(${min.toFixed(1)}–${max.toFixed(1)})`;
    say(`${name.padEnd(32)} ${middle.toFixed(1).padStart(8)} µs  ${range}`);
  }
  return { results: rows, comparisons: samples.comparisons() };
}

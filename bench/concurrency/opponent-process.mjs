// One opponent, in a process of its own under the Node.js that is measured: what another opponent
// switches on in the runtime must not slow this one down (on Node.js 20, an AsyncLocalStorage makes
// every promise dearer). The process answers requests, so that the opponents can take turns.
import { createRequire } from 'node:module';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { answerRequests } from '../child.mjs';

/**
 * @typedef {{ name: string, cases: Record<string, (n: number) => Promise<unknown>>, sleepers?:
 *   (count: number) => Promise<() => Promise<unknown>> }} Opponent
 */

/**
 * @param {string} file @param {string | undefined} library @param {string | undefined} folder Where
 *   the library is installed. @returns {Promise<Opponent>}
 */
async function load(file, library, folder) {
  const module = await import(`./opponents/${file}.mjs`);
  if (library === undefined) return module;
  const entry = createRequire(path.join(/** @type {string} */ (folder), 'package.json')).resolve(
    library,
  );
  return module.opponent(await import(pathToFileURL(entry).href));
}

/** @param {(n: number) => Promise<unknown>} work @param {number} n */
async function timed(work, n) {
  const cpu = process.cpuUsage();
  const begin = performance.now();
  await work(n);
  const wall = performance.now() - begin;
  const { user, system } = process.cpuUsage(cpu);
  return { wall: (wall * 1e6) / n, cpu: ((user + system) * 1e3) / n };
}

/**
 * Measures a turn. The garbage collection before it returns memory to the system. A virtual machine
 * may be slow to give that memory again, which would dominate the figures: so the first half of a
 * turn does not count.
 * @param {(n: number) => Promise<unknown>} work @param {number} n
 */
async function turn(work, n) {
  globalThis.gc?.();
  await work(n);
  return timed(work, n);
}

/**
 * How many operations take about as long as a turn should. The search is the warm-up, too. @param
 * {(n: number) => Promise<unknown>} work @param {number} batch @param {number} milliseconds
 */
async function calibrated(work, batch, milliseconds) {
  const least = milliseconds * 1e6;
  let n = batch;
  for (let i = 0; i < 40; i++) {
    const took = (await timed(work, n)).cpu * n;
    if (took >= least) break;
    n = Math.ceil((n * Math.min(10, Math.max(1.5, least / Math.max(took, 1)))) / batch) * batch;
  }
  const { cpu } = await timed(work, n);
  return Math.max(batch, Math.round(least / cpu / batch) * batch);
}

function heap() {
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

/** @param {Opponent} opponent @param {number} count */
async function bytesPerTask({ sleepers }, count) {
  if (sleepers === undefined) return null;
  const pause = () => new Promise((resolve) => setTimeout(resolve, 50));
  // The first time compiles code and grows tables, which would count as memory of the tasks.
  await (
    await sleepers(count)
  )();
  await pause();
  const release = await sleepers(count);
  await pause();
  const asleep = heap();
  await release();
  await pause();
  return (asleep - heap()) / count;
}

const { file, library, folder } = JSON.parse(process.argv[2] ?? '{}');
const opponent = await load(file, library, folder);

answerRequests({
  describe: () => ({
    node: process.versions.node,
    name: opponent.name,
    cases: Object.keys(opponent.cases),
  }),
  calibrate: ({ key, batch, milliseconds }) => calibrated(opponent.cases[key], batch, milliseconds),
  time: ({ key, n }) => turn(opponent.cases[key], n),
  memory: ({ count }) => bytesPerTask(opponent, count),
});

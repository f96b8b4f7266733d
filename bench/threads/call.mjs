// Calls between threads, and how long they take.
import { performance } from 'node:perf_hooks';

/**
 * The answer of a worker, which gets one message and ends by itself.
 * @param {import('node:worker_threads').Worker} worker @param {object} message @param
 *   {import('node:worker_threads').MessagePort[]} transferList
 * @returns {Promise<any>}
 */
export function ask(worker, message, transferList) {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
    worker.postMessage(message, transferList);
  });
}

/**
 * Microseconds per call, one after the other, after a tenth of them as warm-up.
 * @param {number} calls @param {() => unknown} call `add(1, 2)`, somewhere else.
 */
export async function timed(calls, call) {
  for (let i = 0; i < calls / 10; i++) await call();
  const start = performance.now();
  for (let i = 0; i < calls; i++) {
    const sum = await call();
    if (sum !== 3) throw new Error(`3 expected, not ${sum}`);
  }
  return ((performance.now() - start) * 1000) / calls;
}

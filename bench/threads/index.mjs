// Threads: round trips of portal calls beside comlink's, and what runInThread adds to bare piscina.
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { MessageChannel, Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { newBuiltinBackend } from 'sockscope';
import { installOpponents, opponentFile } from '../opponents/index.mjs';

const functions = new URL('./functions.mjs', import.meta.url);

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Answers of a worker, which gets its message and ends by itself. */
function ask(file, message, transferList, workerData) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(file, import.meta.url), { workerData });
    worker.once('message', resolve).once('error', reject);
    worker.postMessage(message, transferList);
  });
}

async function portalRound(backend, calls) {
  const portal = backend.createThreadsPortal({
    add: (a, b) => a + b,
    addSoon: async (a, b) => a + b,
  });
  return backend.bootstrap(() =>
    portal.run(async () => {
      const handle = portal.handle();
      return backend.waitFor(ask('./portal-caller.mjs', { handle, calls }, [handle.port]));
    }),
  );
}

async function comlinkRound(calls) {
  const file = opponentFile('comlink/dist/esm/comlink.mjs');
  if (file === undefined) return undefined;
  const comlink = pathToFileURL(file).href;
  const { expose } = await import(comlink);
  const { port1, port2 } = new MessageChannel();
  expose({ add: (a, b) => a + b }, port1);
  try {
    return await ask('./comlink-caller.mjs', { port: port2, calls }, [port2], { comlink });
  } finally {
    port1.close();
  }
}

async function timed(calls, call) {
  for (let i = 0; i < calls / 10; i++) await call();
  const start = performance.now();
  for (let i = 0; i < calls; i++) {
    const sum = await call();
    if (sum !== 3) throw new Error(`3 expected, not ${sum}`);
  }
  return ((performance.now() - start) * 1000) / calls;
}

/**
 * @param {{ rounds?: number, calls?: number, say?: (line: string) => void }} [options]
 * @returns {Promise<{ name: string, median: number, min: number, max: number }[]>} Microseconds per
 *   call.
 */
export async function run({ rounds = 5, calls = 5000, say = console.log } = {}) {
  const missing = installOpponents(say);
  if (missing !== undefined) say(`without comlink: ${missing}`);
  const backend = newBuiltinBackend('native', {
    threads: { maxThreads: 1, idleTimeout: Infinity },
  });
  const piscina = new Piscina({ filename: functions.href, maxThreads: 1, idleTimeout: 60_000 });
  /** @type {Map<string, number[]>} */
  const samples = new Map();
  const note = (name, value) =>
    void (value !== undefined && samples.set(name, [...(samples.get(name) ?? []), value]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, value] of Object.entries(await portalRound(backend, calls)))
      note(`portal ${name}`, value);
    note('comlink call', await comlinkRound(calls));
    note(
      'runInThread',
      await timed(calls, () => backend.runInThread({ module: functions, name: 'add' }, [1, 2])),
    );
    note('piscina run', await timed(calls, () => piscina.run([1, 2])));
  }
  await piscina.destroy();
  const rows = [...samples].map(([name, values]) => ({
    name,
    median: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
  }));
  for (const { name, median: middle, min, max } of rows) {
    say(
      `${name.padEnd(32)} ${middle.toFixed(1).padStart(8)} µs  (${min.toFixed(1)}–${max.toFixed(1)})`,
    );
  }
  return rows;
}

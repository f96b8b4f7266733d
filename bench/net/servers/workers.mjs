// A stream server of this folder in several threads, each of which listens by itself on the same
// port (SO_REUSEPORT): the kernel deals the connections out. `program`: the server's file, which
// has to take `reuse`. `workers`: how many.
import process from 'node:process';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';
import { announce, fail, parseAddress, serverArguments } from './server-process.mjs';

const { kind, address, options } = serverArguments();
const { program = '', workers = '1', ...settings } = options;

/** @param {number} port @returns {Promise<number>} The port that it listens on. */
async function startWorker(port) {
  const chosen = Object.entries({ ...settings, reuse: '1' }).map((setting) => setting.join('='));
  const argv = [kind, `tcp:${address.host}:${String(port)}`, ...chosen];
  // The worker's stdin stays open, and this file reads its stdout, not the runner.
  const worker = new Worker(new URL(`./${program}`, import.meta.url), {
    argv,
    stdin: true,
    stdout: true,
  });
  worker.on('error', fail);
  worker.on('exit', () => process.exit(1));
  for await (const line of createInterface({ input: worker.stdout }))
    return parseAddress(JSON.parse(line).address).port;
  throw new Error(`${program} ended before it was ready`);
}

const port = await startWorker(address.port);
await Promise.all(Array.from({ length: Number(workers) - 1 }, () => startWorker(port)));
announce(address, port);

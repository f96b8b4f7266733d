// net.mjs in the `workers` processes of node:cluster: the primary accepts, and hands each
// connection over (round-robin, its default).
import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import process from 'node:process';
import { announce, serverArguments, unknownKind } from './server-process.mjs';

const { kind, address, options } = serverArguments();
if (kind !== 'handover' && kind !== 'echo') throw unknownKind(kind);

cluster.setupPrimary({
  exec: fileURLToPath(new URL('./net.mjs', import.meta.url)),
  args: ['echo', `tcp:${address.host}:${String(address.port)}`],
  // The runner reads the stdout of the primary only.
  silent: true,
});

/** @returns {Promise<{ pid: number, port: number }>} */
function startWorker() {
  const worker = cluster.fork();
  worker.on('exit', () => process.exit(1));
  worker.process.stderr?.pipe(process.stderr);
  return new Promise((resolve) =>
    worker.once('listening', ({ port }) => resolve({ pid: worker.process.pid ?? 0, port })),
  );
}

const workers = await Promise.all(
  Array.from({ length: Number(options.workers ?? 1) }, startWorker),
);
announce(address, workers[0].port, [process.pid, ...workers.map(({ pid }) => pid)]);

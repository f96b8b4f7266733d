// Accepts in the main thread, and hands each connection, by its fd, to one of `workers` threads, in
// turn.
import process from 'node:process';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { newBuiltinBackend, SocketAttribute } from 'sockscope';
import { announce, fail, serverArguments } from './server-process.mjs';
import { connectionHandler } from './sockscope-connection.mjs';

const { kind, address, options } = serverArguments();
const backend = newBuiltinBackend('native');

async function accept() {
  const workers = Array.from({ length: Number(options.workers ?? 1) }, () => {
    const worker = new Worker(new URL(import.meta.url), {
      argv: process.argv.slice(2),
      stdin: true,
    });
    worker.on('error', fail);
    worker.on('exit', () => process.exit(1));
    return worker;
  });
  await backend.waitFor(
    Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve)))),
  );
  const [listener] = await backend.createTcpListeners(address.host, address.port, {
    backlog: 4096,
  });
  const bound = listener.extra(SocketAttribute.localAddress);
  announce(address, typeof bound === 'object' && 'port' in bound ? bound.port : 0);
  let next = 0;
  await listener.serve((transport) => {
    // From here on only the message owns the fd.
    workers[next++ % workers.length].postMessage(transport.extra(SocketAttribute.socket).detach());
  });
}

/** @param {import('node:worker_threads').MessagePort} port */
async function serve(port) {
  const serveOne = connectionHandler(kind, options, backend);
  await backend.createTaskGroup().run(async (group) => {
    port.on('message', (fd) =>
      group.startSoon(async () => serveOne(await backend.wrapStreamSocket(fd))),
    );
    port.postMessage('ready');
    await backend.sleepForever();
  });
}

await backend
  .bootstrap(() => (isMainThread || parentPort === null ? accept() : serve(parentPort)))
  .catch(fail);

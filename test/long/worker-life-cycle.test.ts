import { describe, expect, it } from 'vitest';
import { runCode } from '../support/child';

/** The number of workers for each reactor. `npm run test:long` sets the variable. */
const workers = /^0?$/.test(process.env['SOCKSCOPE_LONG'] ?? '') ? 22 : 1012;

/** What a worker and the main thread have in common. CommonJS, in the package root. */
const prelude = `
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const lib = require('./dist/index.js');
const backend = lib.newBuiltinBackend('native');
`;

/**
 * Each stage of a worker's life, in which it is ended: the code that leads there. `ready()` tells
 * the main thread that the stage is reached. The main thread terminates the worker then, unless the
 * stage ends it. (The server closes a connection after a while.)
 */
const stages: Readonly<Record<string, string>> = {
  // The main thread does not wait: the worker is terminated while it starts and loads the addon.
  load: `lib.Socket.pair();`,
  resolve: `for (let i = 0; i < 8; i++) void backend.getaddrinfo('localhost', 1000 + i); ready();`,
  receive: `const [socket] = lib.Socket.pair(); void socket.readable(); const connection = await backend.createTcpConnection('127.0.0.1', workerData.port); connection.recv(1).catch(() => undefined); ready();`,
  send: `const connection = await backend.createTcpConnection('127.0.0.1', workerData.port); connection.sendAll(Buffer.alloc(1 << 26)).catch(() => undefined); ready();`,
  // The backlog of that listener is full.
  connect: `void backend.createTcpConnection('127.0.0.1', workerData.fullPort); ready();`,
  accept: `const [listener] = await backend.createTcpListeners('127.0.0.1', 0); void listener.serve(() => backend.sleepForever());
    const { port } = listener.extra(lib.SocketAttribute.localAddress); await backend.createTcpConnection('127.0.0.1', port); ready();`,
  'portal call': `const portal = lib.connectThreadsPortal(workerData.handle); await portal.runSyncSoon('add', 1, 2); ready(); portal.runCoroutine('never');`,
  // A worker of the worker: it ends with it.
  runInThread: `void backend.runInThread({ module: path.resolve('dist/conformance/thread-functions.js'), name: 'passGate' }, [workerData.gate]); ready();`,
  exit: `const [socket] = lib.Socket.pair(); void socket.readable(); setImmediate(() => process.exit(3));`,
  failure: `const [socket] = lib.Socket.pair(); void socket.readable(); setImmediate(() => { throw new Error('planted'); });`,
  end: `const connection = await backend.createTcpConnection('127.0.0.1', workerData.port); await connection.aclose(); lib.Socket.pair(); await backend.getaddrinfo('localhost', 80);`,
};

const main = `
const stages = Object.entries(${JSON.stringify(stages)});
// Counts sockets and epoll sets: the first worker opens other fds, which the process keeps.
const open = () => fs.readdirSync('/proc/self/fd').filter((fd) => {
  try { return /socket|eventpoll/.test(fs.readlinkSync('/proc/self/fd/' + fd)); } catch (error) { if (error.code === 'ENOENT') return false; throw error; }
}).length;

async function fullListener() {
  const { AF_INET, SOCK_STREAM } = lib.constants;
  const listener = lib.Socket.create(AF_INET, SOCK_STREAM);
  listener.bind({ address: '127.0.0.1', port: 0, family: 'IPv4' });
  listener.listen(0);
  const { port } = listener.localAddress();
  const waiting = Array.from({ length: 4 }, () => {
    const client = lib.Socket.create(AF_INET, SOCK_STREAM);
    client.connect({ address: '127.0.0.1', port, family: 'IPv4' });
    return client;
  });
  return { port, close: () => { for (const socket of [listener, ...waiting]) socket.close(); } };
}

async function live(portal, number, shared) {
  const [stage, code] = stages[number % stages.length];
  const handle = portal.handle();
  const gate = new SharedArrayBuffer(8);
  const worker = new Worker(shared.prelude + '(async () => { const ready = () => parentPort.postMessage(0);' + code + '})();', {
    eval: true, stderr: true, workerData: { ...shared.data, handle, gate }, transferList: [handle.port],
  });
  const exited = once(worker, 'exit').catch((error) => [error.message]);
  let failure;
  worker.on('error', (error) => { failure = error.message; });
  const byItself = stage === 'exit' || stage === 'failure' || stage === 'end';
  if (stage === 'load') await backend.sleep(number % 40);
  else if (!byItself) await Promise.race([once(worker, 'message'), exited]);
  if (!byItself) await worker.terminate();
  await exited;
  const expected = stage === 'failure' ? 'planted' : undefined;
  if (failure !== expected) throw new Error(stage + ': ' + failure);
}

backend.bootstrap(async () => {
  const full = await fullListener();
  const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
  const portal = backend.createThreadsPortal({ add: (a, b) => a + b, never: () => backend.sleepForever() });
  const scope = backend.openCancelScope();
  await scope.run(() => portal.run(() => backend.createTaskGroup().run(async (group) => {
    group.startSoon(() => listener.serve(async (connection) => {
      await backend.sleep(50);
      await lib.acloseForcefully(connection);
    }));
    const { port } = listener.extra(lib.SocketAttribute.localAddress);
    const shared = { prelude: ${JSON.stringify(prelude)}, data: { port, fullPort: full.port } };
    const counts = [];
    const sizes = [];
    const total = ${String(workers)};
    for (let number = 0; number < total; number += 3) {
      await Promise.all([0, 1, 2].map((i) => live(portal, number + i, shared)));
      if (number % 99 === 33 || number + 3 >= total) {
        // Until the server has closed its ends.
        let count = open();
        for (let i = 0; i < 100 && count > (counts[0] ?? 0); i++) { await backend.sleep(20); count = open(); }
        counts.push(count);
        gc();
        sizes.push(process.memoryUsage().rss >> 20);
      }
    }
    console.log(JSON.stringify({ counts, sizes }));
    scope.cancel();
  })));
  await listener.aclose();
  full.close();
}).catch((error) => { console.error(error); process.exit(1); });
`;

const kinds = process.platform === 'linux' ? ['epoll', 'poll'] : ['poll'];

describe.each(kinds)(
  'workers that end in every stage of their life, with the %s reactor',
  (kind) => {
    it(
      'leave no fd and no memory behind',
      async () => {
        const { code, signal, stdout, stderr } = await runCode(prelude + main, {
          commonjs: true,
          execArgv: ['--expose-gc'],
          env: { SOCKSCOPE_REACTOR: kind },
          timeout: 60_000 + workers * 1000,
        });
        expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
        const { counts, sizes } = JSON.parse(stdout) as { counts: number[]; sizes: number[] };
        expect(new Set(counts).size, `sockets: ${counts.join(' ')}`).toBe(1);
        // The allocator keeps some of what the first workers have used.
        const [early = 0] = sizes.slice(Math.floor(sizes.length / 3));
        expect((sizes.at(-1) ?? 0) - early, `MiB: ${sizes.join(' ')}`).toBeLessThan(48);
      },
      90_000 + workers * 1000,
    );
  },
);

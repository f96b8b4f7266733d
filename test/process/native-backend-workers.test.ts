import { describe, expect, it } from 'vitest';
import { runCode } from '../support/child';

const kinds = process.platform === 'linux' ? ['epoll', 'poll'] : ['poll'];

/** The same program is the main thread's and the workers'. */
const prelude = `
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const { readdirSync, readlinkSync } = require('node:fs');
const { once } = require('node:events');
const { newBuiltinBackend, SocketAttribute } = require('./dist/index.js');
const backend = newBuiltinBackend('native');
const sockets = () => readdirSync('/proc/self/fd').filter((fd) => {
  try { return /^socket|eventpoll/.test(readlinkSync('/proc/self/fd/' + fd)); } catch { return false; }
}).length;
`;

function inWorkers(worker: string, main: string): string {
  return `${prelude}
const source = ${JSON.stringify(`${prelude}\n(async () => { ${worker} })();`)};
(async () => { ${main} })().catch((error) => { console.error(error); process.exit(1); });`;
}

describe.each(kinds)('the native backend in workers, with the %s reactor', (kind) => {
  const env = { SOCKSCOPE_REACTOR: kind };

  it('each worker has a loop of its own, with servers and clients in all of them', async () => {
    const outcome = await runCode(
      inWorkers(
        `await backend.bootstrap(async () => {
           const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
           parentPort.postMessage(listener.extra(SocketAttribute.localAddress).port);
           const scope = backend.openCancelScope();
           parentPort.once('message', () => scope.cancel());
           await scope.run(() => listener.serve(async (connection) => {
             for (let data = await connection.recv(1000); data.length > 0; data = await connection.recv(1000)) await connection.sendAll(data);
             await connection.aclose();
           }));
           await listener.aclose();
         });`,
        `const workers = Array.from({ length: 4 }, () => new Worker(source, { eval: true }));
         const ports = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]));
         const texts = await backend.bootstrap(() => backend.gather(...ports.flatMap((port) => Array.from({ length: 10 }, (_, i) => async () => {
           const connection = await backend.createTcpConnection('127.0.0.1', port);
           for (let round = 0; round < 20; round++) {
             await connection.sendAll(Buffer.from(port + ' ' + i));
             if (Buffer.from(await connection.recv(100)).toString() !== port + ' ' + i) throw new Error('wrong echo');
           }
           await connection.aclose();
           return 'ok';
         }))));
         for (const worker of workers) { worker.postMessage('stop'); await once(worker, 'exit'); }
         console.log(texts.length, texts.every((text) => text === 'ok'));`,
      ),
      { commonjs: true, env },
    );
    expect(outcome).toMatchObject({ code: 0, stdout: '40 true\n', stderr: '' });
  });

  it('a worker that is terminated with operations pending leaves no socket open', async () => {
    const outcome = await runCode(
      inWorkers(
        `const path = '\\0terminate-' + process.pid + '-' + Math.random();
         const [tcp] = await backend.createTcpListeners('127.0.0.1', 0);
         const [udp] = await backend.createUdpListeners('127.0.0.1', 0);
         const grams = await backend.createUnixDatagramListener(path);
         const { port } = tcp.extra(SocketAttribute.localAddress);
         backend.createTaskGroup().run(async (group) => {
           group.startSoon(() => tcp.serve(async (connection) => { await backend.sleepForever(); await connection.aclose(); }));
           group.startSoon(() => udp.serve(() => undefined));
           group.startSoon(() => backend.sleepForever());
           for (let i = 0; i < 20; i++) {
             const client = await backend.createTcpConnection('127.0.0.1', port);
             group.startSoon(() => client.recv(1));
             group.startSoon(() => client.sendAll(new Uint8Array(1 << 26)));
           }
           for (let i = 0; i < 50; i++) group.startSoon(() => grams.sendTo(Buffer.from('x'), path));
           group.startSoon(() => backend.getaddrinfo('localhost', 80));
           await backend.sleep(10);
           parentPort.postMessage('all pending');
         });`,
        `const before = sockets();
         for (let round = 0; round < 5; round++) {
           const worker = new Worker(source, { eval: true });
           await once(worker, 'message');
           await worker.terminate();
         }
         console.log(sockets() - before);`,
      ),
      { commonjs: true, env },
    );
    expect(outcome).toMatchObject({ code: 0, signal: null, stdout: '0\n', stderr: '' });
  });
});

describe.each(kinds)('the end of a process, with the %s reactor', (kind) => {
  it('waits for pending operations, and for nothing else', async () => {
    const idle = await runCode(
      `${prelude}
(async () => {
  const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
  const scope = backend.openCancelScope();
  const serving = scope.run(() => listener.serve(() => undefined));
  await backend.sleep(5);
  scope.cancel();
  await serving;
  console.log('idle');
})();`,
      { commonjs: true, env: { SOCKSCOPE_REACTOR: kind } },
    );
    // The listener is open, but no operation waits on it.
    expect(idle).toMatchObject({ code: 0, stdout: 'idle\n' });
  });
});

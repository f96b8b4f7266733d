import { describe, expect, it } from 'vitest';
import { runCode } from '../support/child';

/**
 * The beginning of each program, in the main thread. `start(code)` runs code in a worker that has
 * the same names.
 */
const prelude = `
const { Socket, constants } = require('sockscope');
const { Worker, parentPort, isMainThread, workerData } = require('node:worker_threads');
const { readdirSync, readlinkSync } = require('node:fs');
const { once } = require('node:events');
const { AF_INET, AF_UNIX, SOCK_STREAM, SOCK_DGRAM } = constants;
const turn = () => new Promise((resolve) => setImmediate(resolve));
// Counts sockets and epoll sets: the first worker opens other fds, which the process keeps.
const openFds = () => readdirSync('/proc/self/fd').filter((fd) => {
  try { return /socket|eventpoll/.test(readlinkSync('/proc/self/fd/' + fd)); } catch (error) { if (error.code === 'ENOENT') return false; throw error; }
}).length;
`;

describe.each(['epoll', 'poll'])(
  'worker threads, with the %s reactor',
  { timeout: 60_000 },
  (kind) => {
    const runProgram = (program: string) =>
      runCode(`const prelude = ${JSON.stringify(prelude)};\n${prelude}\n${program}`, {
        commonjs: true,
        env: { SOCKSCOPE_REACTOR: kind },
        timeout: 60_000,
      });
    const start = `const start = (code, data) => new Worker(prelude + code, { eval: true, workerData: data });`;

    it('run many at once, each with its own reactor, and exchange data', async () => {
      const outcome = await runProgram(`
      ${start}
      const code = \`(async () => {
        const socket = Socket.fromFd(workerData);
        const buffer = Buffer.alloc(10);
        for (;;) {
          await socket.readable();
          const count = socket.recv(buffer);
          if (count === 0) break;
          if (count !== null) socket.send(buffer.subarray(0, count));
        }
        socket.close();
      })();\`;
      (async () => {
        const before = openFds();
        const workers = Array.from({ length: 6 }, (_, i) => {
          const [ours, theirs] = Socket.pair();
          const worker = start(code, theirs.detach());
          return { worker, ours, ended: once(worker, 'exit'), i };
        });
        const answers = await Promise.all(workers.map(async ({ ours, ended, i }) => {
          const buffer = Buffer.alloc(10);
          for (let round = 0; round < 50; round++) {
            ours.send(Buffer.of(i, round));
            await ours.readable();
            if (ours.recv(buffer) !== 2 || buffer[0] !== i || buffer[1] !== round) return 'wrong';
          }
          ours.close();
          return (await ended)[0];
        }));
        console.log(answers.join(' '), openFds() - before - ${kind === 'epoll' ? 1 : 0});
      })();
    `);
      expect(outcome).toMatchObject({
        code: 0,
        signal: null,
        stdout: '0 0 0 0 0 0 0\n',
        stderr: '',
      });
    });

    it('leave no fd open if terminate() ends them during waits and events', async () => {
      const outcome = await runProgram(`
      ${start}
      const code = \`
        const sockets = Array.from({ length: 20 }, () => Socket.pair());
        const buffer = Buffer.alloc(10);
        async function bounce([left, right]) {
          for (;;) { left.send(buffer); await right.readable(); right.recv(buffer); }
        }
        for (const pair of sockets.slice(0, 10)) bounce(pair);
        for (const [left, right] of sockets.slice(10)) { left.readable(); right.readable(); }
        const listener = Socket.create(AF_INET, SOCK_STREAM);
        listener.bind({ address: '127.0.0.1', port: 0, family: 'IPv4' });
        listener.listen();
        listener.readable();
        // No process owns the fds in an unreceived message: the kernel closes them.
        sockets[0][0].sendmsg([buffer], { ancillary: { fds: [listener.fd] } });
        parentPort.postMessage('running');
      \`;
      (async () => {
        await turn();
        const before = openFds();
        for (let round = 0; round < 3; round++) {
          const workers = Array.from({ length: 3 }, () => start(code));
          await Promise.all(workers.map((worker) => once(worker, 'message')));
          await Promise.all(workers.map((worker) => worker.terminate()));
        }
        console.log(openFds() - before);
      })();
    `);
      expect(outcome).toMatchObject({ code: 0, signal: null, stdout: '0\n', stderr: '' });
    });

    it('close their sockets at process.exit(), or at an uncaught error', async () => {
      const outcome = await runProgram(`
      ${start}
      const sockets = 'for (let i = 0; i < 10; i++) { const [left, right] = Socket.pair(); left.readable(); right.readable(); }';
      (async () => {
        const before = openFds();
        const exiting = start(sockets + 'setImmediate(() => process.exit(5));');
        console.log((await once(exiting, 'exit'))[0]);
        const failing = start(sockets + "setImmediate(() => { throw new Error('planted'); });");
        const [error] = await once(failing, 'error');
        console.log(error.message);
        await once(failing, 'exit');
        console.log(openFds() - before);
      })();
    `);
      expect(outcome).toMatchObject({
        code: 0,
        signal: null,
        stdout: '5\nplanted\n0\n',
        stderr: '',
      });
    });

    it('end quietly with process.exit() of the main thread, in the middle of waits', async () => {
      const outcome = await runProgram(`
      ${start}
      const workers = Array.from({ length: 4 }, () => start("for (let i = 0; i < 10; i++) { const [left, right] = Socket.pair(); left.readable(); right.readable(); } parentPort.postMessage('running');"));
      Promise.all(workers.map((worker) => once(worker, 'message'))).then(() => process.exit(9));
    `);
      expect(outcome).toMatchObject({ code: 9, signal: null, stdout: '', stderr: '' });
    });

    it('are kept alive by a wait, and end by themselves without one', async () => {
      const outcome = await runProgram(`
      ${start}
      (async () => {
        const [ours, theirs] = Socket.pair();
        const waiting = start("Socket.fromFd(workerData).readable().then(() => console.log('woken'));", theirs.detach());
        const idle = start('Socket.pair();');
        console.log((await once(idle, 'exit'))[0]);
        ours.send(Buffer.from('x'));
        console.log((await once(waiting, 'exit'))[0]);
        ours.close();
      })();
    `);
      expect(outcome).toMatchObject({ code: 0, signal: null, stdout: '0\nwoken\n0\n', stderr: '' });
    });
  },
);

import { describe, expect, it } from 'vitest';
import { runCode } from '../support/child';

/** The beginning of each program, in the main thread and in its workers. */
const prelude = `
const sockscope = require('sockscope');
const { Socket, ancillaryBufferSize, closeReceivedFds, takeReceivedFd, constants } = sockscope;
const { Worker, parentPort, workerData } = require('node:worker_threads');
const fs = require('node:fs');
const { once } = require('node:events');
const size = ancillaryBufferSize(8);
// Sockets, files and pidfds: a worker opens other kinds of fds, which the process keeps.
const openFds = () => fs.readdirSync('/proc/self/fd').filter((fd) => {
  try {
    return /^socket|package\\.json|pidfd/.test(fs.readlinkSync('/proc/self/fd/' + fd));
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}).length;
function receive() {
  const [left, right] = Socket.pair();
  if (constants.SO_PASSPIDFD !== undefined)
    right.setsockopt(constants.SOL_SOCKET, constants.SO_PASSPIDFD, true);
  const file = fs.openSync('package.json', 'r');
  left.sendmsg([Buffer.from('x')], { ancillary: { fds: [file, left.fd] } });
  fs.closeSync(file);
  const { ancillary } = right.recvmsg([Buffer.alloc(1)], size);
  left.close();
  right.close();
  return ancillary;
}
`;

const program = (worker: string, main: string): string => `${prelude}
const start = (data) => new Worker(${JSON.stringify(`${prelude}\n${worker}`)}, { eval: true, workerData: data });
(async () => {
  process.on('warning', (warning) => { if (warning.name !== 'ExperimentalWarning') console.log(String(warning)); });
  ${main}
})().catch((error) => { console.error(error); process.exit(1); });`;

describe('received fds in workers', { timeout: 60_000 }, () => {
  it('are closed with the worker that received and did not claim them, pidfds included', async () => {
    const outcome = await runCode(
      program(
        `const held = [receive(), receive()];
         parentPort.postMessage(held[0].fds.length);
         if (workerData === 'block') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
         else if (workerData === 'exit') process.exit();
         else setInterval(() => held.length, 1000);`,
        `const before = openFds();
         for (const how of ['block', 'wait', 'exit']) {
           const worker = start(how);
           const [count] = await once(worker, 'message');
           if (how !== 'exit') console.log(how, count, openFds() - before >= 6);
           if (how === 'exit') await once(worker, 'exit');
           else await worker.terminate();
           console.log(how, openFds() - before);
         }`,
      ),
      { commonjs: true, timeout: 60_000 },
    );
    expect(outcome).toMatchObject({
      stdout: 'block 2 true\nblock 0\nwait 2 true\nwait 0\nexit 0\n',
      stderr: '',
      code: 0,
    });
  });

  it('are closed at whatever instant the worker is terminated', async () => {
    const outcome = await runCode(
      program(
        `parentPort.postMessage('ready');
         const held = [];
         for (;;) {
           held.push(receive());
           if (held.length > 20) closeReceivedFds(held.shift());
         }`,
        `const before = openFds();
         for (let round = 0; round < 20; round++) {
           const worker = start();
           await once(worker, 'message');
           for (let turn = 0; turn < round; turn++) await new Promise(setImmediate);
           await worker.terminate();
         }
         console.log(openFds() - before);`,
      ),
      { commonjs: true, timeout: 60_000 },
    );
    expect(outcome).toMatchObject({ stdout: '0\n', stderr: '', code: 0 });
  });

  it('closeReceivedFds closes them without a warning of Node', async () => {
    const outcome = await runCode(
      program(
        `closeReceivedFds(receive());
         parentPort.postMessage('closed');`,
        `const before = openFds();
         const worker = start();
         await once(worker, 'message');
         console.log(openFds() - before);
         await once(worker, 'exit');`,
      ),
      { commonjs: true, timeout: 60_000 },
    );
    expect(outcome).toMatchObject({ stdout: '0\n', stderr: '', code: 0 });
  });

  it('taken ones stay open for the thread that gets them, and wrapped ones close', async () => {
    const outcome = await runCode(
      program(
        `const { fds: [file, socket] } = receive();
         const wrapped = Socket.fromFd(socket);
         parentPort.postMessage(takeReceivedFd(file));
         setInterval(() => wrapped.fd, 1000);`,
        `const before = openFds();
         const worker = start();
         const [fd] = await once(worker, 'message');
         await worker.terminate();
         console.log(openFds() - before, fs.readSync(fd, Buffer.alloc(1)));
         fs.closeSync(fd);
         console.log(openFds() - before);`,
      ),
      { commonjs: true, timeout: 60_000 },
    );
    expect(outcome).toMatchObject({ stdout: '1 1\n0\n', stderr: '', code: 0 });
  });

  it('a number that other code has closed and got again stays open at the end', async () => {
    const outcome = await runCode(
      program(
        `const { fds: [file, socket] } = receive();
         parentPort.postMessage([file, socket]);
         setInterval(() => undefined, 1000);`,
        `const worker = start();
         const [fds] = await once(worker, 'message');
         for (const fd of fds) fs.closeSync(fd);
         const got = [];
         while (!fds.every((fd) => got.includes(fd))) got.push(fs.openSync('tsconfig.json', 'r'));
         await worker.terminate();
         for (const fd of got) fs.closeSync(fd);
         console.log('all were open');`,
      ),
      { commonjs: true, timeout: 60_000 },
    );
    expect(outcome).toMatchObject({ stdout: 'all were open\n', stderr: '', code: 0 });
  });
});

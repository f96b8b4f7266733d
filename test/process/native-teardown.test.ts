import { describe, expect, it } from 'vitest';
import { runCode } from '../support/child';

/**
 * The beginning of each program: the binding, and functions that make watched sockets with
 * something to read. CommonJS, in the package root.
 */
const prelude = `
const { nativeBinding } = require('./dist/binding.js');
const { readdirSync, readlinkSync } = require('node:fs');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const native = nativeBinding();
const events = new Int32Array(3 * native.limits.batch);
// Counts sockets and epoll sets: the first worker opens other fds, which the process keeps.
const openFds = () => readdirSync('/proc/self/fd').filter((fd) => {
  try { return /socket|eventpoll/.test(readlinkSync('/proc/self/fd/' + fd)); } catch (error) { if (error.code === 'ENOENT') return false; throw error; }
}).length;
function check(result) { if (result < 0) throw new Error('code ' + result); return result; }
function pair() { const fds = new Int32Array(2); check(native.socketpair(1, 1, 0, fds)); return fds; }
function openWatched(count, deliver = () => {}) {
  check(native.reactorOpen(events, deliver));
  return Array.from({ length: count }, (_, slot) => {
    const [left, right] = pair();
    check(native.watch(left, slot, 1));
    check(native.send(right, Buffer.from('x'), 0, 0));
    return [left, right];
  });
}
const turn = () => new Promise((resolve) => setImmediate(resolve));
`;

interface ProgramOptions {
  readonly execArgv?: readonly string[];
  readonly timeout?: number;
  /**
   * The program ends with process.exit() or an exception. Node frees nothing then, so LeakSanitizer
   * does not run (scripts/asan.mjs).
   */
  readonly abrupt?: boolean;
}

function runProgram(
  program: string,
  kind: string,
  { abrupt = false, ...options }: ProgramOptions = {},
) {
  const env = {
    SOCKSCOPE_REACTOR: kind,
    ...(abrupt ? { ASAN_OPTIONS: 'detect_leaks=0:exitcode=99' } : {}),
  };
  return runCode(prelude + program, { commonjs: true, env, ...options });
}

const kinds = process.platform === 'linux' ? ['epoll', 'poll'] : ['poll'];

describe.each(kinds)('the end of an environment, with the %s reactor', (kind) => {
  it('a held reactor keeps the process alive, and another does not', async () => {
    const idle = await runProgram(
      `openWatched(3); process.on('exit', () => console.log('end', native.ownedCount()));`,
      kind,
    );
    expect(idle).toMatchObject({ code: 0, stdout: 'end 6\n', stderr: '' });
    const held = await runProgram(
      `let calls = 0;
       const sockets = openWatched(1, () => { calls++; });
       native.hold(true);
       setTimeout(() => native.hold(false), 50).unref();
       process.on('exit', () => console.log('calls', calls));`,
      kind,
    );
    expect(held).toMatchObject({ code: 0, stdout: 'calls 1\n', stderr: '' });
  });

  it('process.exit() with watches and undelivered events ends quietly', async () => {
    const outcome = await runProgram(
      `openWatched(300); native.hold(true); process.exit(7);`,
      kind,
      { abrupt: true },
    );
    expect(outcome).toMatchObject({ code: 7, signal: null, stdout: '', stderr: '' });
  });

  it('process.exit() during a delivery ends quietly', async () => {
    const outcome = await runProgram(
      `openWatched(300, () => process.exit(8)); native.hold(true);`,
      kind,
      { abrupt: true },
    );
    expect(outcome).toMatchObject({ code: 8, signal: null, stderr: '' });
  });

  it('an exception out of a delivery is an uncaught exception', async () => {
    const program = `openWatched(1, () => { throw new RangeError('out of the delivery'); }); native.hold(true);`;
    const outcome = await runProgram(program, kind, { abrupt: true });
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('RangeError: out of the delivery');
    const caught = await runProgram(
      `process.on('uncaughtException', (error) => { console.log(error.message); native.hold(false); });${program}`,
      kind,
    );
    expect(caught).toMatchObject({ code: 0, stdout: 'out of the delivery\n' });
  });

  it('a signal ends the process at once', async () => {
    const outcome = await runProgram(
      `openWatched(10); native.hold(true); process.kill(process.pid, 'SIGTERM');`,
      kind,
    );
    expect(outcome).toMatchObject({ code: null, signal: 'SIGTERM' });
  });

  it('a worker that ends by itself closes its fds', async () => {
    const outcome = await runProgram(
      `void (async () => {
         const before = openFds();
         const worker = new Worker(${JSON.stringify(prelude)} + 'openWatched(20); parentPort.postMessage(openFds());', { eval: true });
         const ended = new Promise((resolve) => worker.once('exit', resolve));
         const during = await new Promise((resolve) => worker.once('message', resolve));
         await ended;
         console.log(during - before >= 40, openFds() - before);
       })();`,
      kind,
    );
    expect(outcome).toMatchObject({ code: 0, stdout: 'true 0\n', stderr: '' });
  });

  it('a hundred workers that are terminated while they work leave no fd open', async () => {
    const worker = `${prelude}
      const sockets = openWatched(10, (count) => {
        for (let i = 0; i < count; i++) {
          const [left, right] = sockets[events[3 * i]];
          const buffer = Buffer.alloc(8);
          while (native.recv(left, buffer, 0) > 0);
          native.arm(left, 1);
          native.send(right, buffer, 0, 0);
        }
      });
      native.hold(true);
      native.dup(sockets[0][0]);
      parentPort.postMessage('ready');`;
    const outcome = await runProgram(
      `void (async () => {
         const source = ${JSON.stringify(worker)};
         let failed = 0;
         const before = openFds();
         for (let round = 0; round < 25; round++) await Promise.all(Array.from({ length: 4 }, run));
         console.log(openFds() - before, failed);
         async function run() {
           const worker = new Worker(source, { eval: true });
           worker.on('error', (error) => { failed++; console.error(error); });
           await new Promise((resolve) => worker.once('message', resolve));
           await worker.terminate();
         }
       })();`,
      kind,
      { timeout: 240_000 },
    );
    expect(outcome).toMatchObject({ code: 0, stdout: '0 0\n', stderr: '' });
  }, 240_000);

  it('a worker that exits, throws or loops for ever during a delivery leaves no fd open', async () => {
    const outcome = await runProgram(
      `void (async () => {
         const before = openFds();
         for (const deliver of ['process.exit(3)', 'parentPort.postMessage(1); while (true);', 'parentPort.postMessage(1); throw new Error("of the worker");']) {
           const worker = new Worker(${JSON.stringify(prelude)} + 'openWatched(5, () => { ' + deliver + ' }); native.hold(true);', { eval: true });
           const ended = new Promise((resolve) => worker.once('exit', resolve));
           const failed = new Promise((resolve) => worker.once('error', (error) => resolve(error.message)));
           worker.once('message', () => { if (deliver.includes('while')) void worker.terminate(); });
           console.log(await ended, deliver.includes('throw') ? await failed : '');
         }
         console.log(openFds() - before);
       })();`,
      kind,
    );
    expect(outcome).toMatchObject({ code: 0, stdout: '3 \n1 \n1 of the worker\n0\n', stderr: '' });
  });

  it('received fds of an unread message are closed with their environment', async () => {
    const outcome = await runProgram(
      `void (async () => {
         const { SOL_SOCKET, SCM_RIGHTS } = native.constants;
         const before = openFds();
         const worker = new Worker(${JSON.stringify(prelude)} + \`
           const { SOL_SOCKET, SCM_RIGHTS } = native.constants;
           const [left, right] = pair();
           const control = new Uint8Array(native.controlSpace(8));
           native.encodeControl(control, 0, SOL_SOCKET, SCM_RIGHTS, Int32Array.of(left, right));
           check(native.sendmsg(left, [Buffer.from('x')], 0, null, 0, control, control.length, 0));
           check(native.recvmsg(right, [Buffer.alloc(1)], null, control, new Int32Array(3), 0));
           parentPort.postMessage(native.ownedCount());
         \`, { eval: true });
         const ended = new Promise((resolve) => worker.once('exit', resolve));
         const owned = await new Promise((resolve) => worker.once('message', resolve));
         await ended;
         console.log(owned, openFds() - before);
       })();`,
      kind,
    );
    expect(outcome).toMatchObject({ code: 0, stdout: '4 0\n', stderr: '' });
  });

  it('two copies of the addon in one thread share nothing', async () => {
    const outcome = await runProgram(
      `delete require.cache[require.resolve('./dist/binding.js')];
       const { nativeBindingPath } = require('./dist/binding.js');
       delete require.cache[nativeBindingPath()];
       delete require.cache[require.resolve('./dist/binding.js')];
       const second = require('./dist/binding.js').nativeBinding();
       openWatched(2, () => { console.log('first'); native.hold(false); });
       const [left] = pair();
       console.log(second === native, second.ownedCount(), second.reactorOpen(new Int32Array(30), () => console.log('never')), second.close(left));
       native.hold(true);`,
      kind,
    );
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout.split('\n').slice(0, 2)).toEqual(['false 0 0 -9', 'first']);
  });

  it('watches survive garbage collection', async () => {
    const outcome = await runProgram(
      `void (async () => {
         let calls = 0;
         openWatched(1, () => { calls++; });
         for (let i = 0; i < 5; i++) { gc(); await turn(); }
         console.log(calls);
       })();`,
      kind,
      { execArgv: ['--expose-gc'] },
    );
    expect(outcome).toMatchObject({ code: 0, stdout: '1\n', stderr: '' });
  });
});

describe('the end of an environment, whatever its reactor', () => {
  it('a worker that is terminated while it loads the addon ends quietly', async () => {
    const worker = `${prelude}
      const { nativeBindingPath } = require('./dist/binding.js');
      const path = nativeBindingPath();
      parentPort.postMessage('loaded once');
      for (;;) {
        delete require.cache[path];
        require(path).open();
      }`;
    const outcome = await runProgram(
      `void (async () => {
         const source = ${JSON.stringify(worker)};
         for (let round = 0; round < 20; round++) {
           const worker = new Worker(source, { eval: true });
           await new Promise((resolve) => worker.once('message', resolve));
           await worker.terminate();
         }
         console.log('done');
       })();`,
      kinds[0] ?? '',
    );
    expect(outcome).toMatchObject({ code: 0, signal: null, stdout: 'done\n', stderr: '' });
  });
});

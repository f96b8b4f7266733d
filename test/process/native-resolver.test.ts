import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot, runCode } from '../support/child';

let folder = '';
let fifo = '';
let shim = '';

// The compiler must not preload the runtime library of a sanitizer (scripts/asan.mjs).
const tools = { encoding: 'utf8', env: { ...process.env, LD_PRELOAD: '' } } as const;
const compiler = process.env['CXX'] ?? 'g++';
const canBuild =
  process.platform === 'linux' && spawnSync(compiler, ['--version'], tools).status === 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ss-'));
  fifo = join(folder, 'fifo');
  shim = join(folder, 'slow-resolver.so');
  if (!canBuild) return;
  const source = join(packageRoot, 'test/native/fixtures/slow_resolver.cc');
  const built = spawnSync(compiler, ['-shared', '-fPIC', '-O1', '-o', shim, source], tools);
  expect(built.status, built.stderr).toBe(0);
  expect(spawnSync('mkfifo', [fifo], tools).status).toBe(0);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const prelude = `
const { nativeBinding } = require('./dist/binding.js');
const fs = require('node:fs');
const { Worker } = require('node:worker_threads');
const threads = () => fs.readdirSync('/proc/self/task').length;
const look = (native, host, deliver) => {
  const status = native.getaddrinfo(host, '80', 0, 1, 0, 0, deliver);
  if (status < 0) throw new Error('code ' + status);
};
// Lets all readers that wait at the FIFO go on.
const release = () => fs.closeSync(fs.openSync(process.env.SLOW_RESOLVER, 'w'));
`;

function runProgram(program: string, abrupt = false) {
  const preload = [shim, process.env['LD_PRELOAD']].filter(
    (library) => library !== undefined && library !== '',
  );
  return runCode(prelude + program, {
    commonjs: true,
    // The runtime library of the sanitizers must come first (scripts/asan.mjs).
    env: {
      SLOW_RESOLVER: fifo,
      LD_PRELOAD: preload.reverse().join(':'),
      ...(abrupt ? { ASAN_OPTIONS: 'detect_leaks=0:exitcode=99' } : {}),
    },
  });
}

describe.runIf(canBuild)('look-ups', () => {
  it('keep the process alive until they are delivered', async () => {
    const outcome = await runProgram(
      `look(nativeBinding(), 'hang', (status, entries) => console.log(status, entries.length));
       setTimeout(release, 20).unref();`,
    );
    // The timer is unreferenced: only the look-up holds the process while the thread hangs.
    expect(outcome).toMatchObject({ code: 0, stdout: '0 1\n', stderr: '' });
  });

  it('take at most four threads when they hang; the others wait, and all are delivered', async () => {
    const outcome = await runProgram(
      `const native = nativeBinding();
       const before = threads();
       let delivered = 0;
       for (let i = 0; i < 20; i++) look(native, 'hang' + i, () => { delivered++; });
       console.log(threads() - before);
       const timer = setInterval(() => {
         if (delivered === 20) { clearInterval(timer); console.log(delivered); return; }
         try { fs.closeSync(fs.openSync(process.env.SLOW_RESOLVER, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK)); }
         catch (error) { if (error.code !== 'ENXIO') throw error; }
       }, 1);`,
    );
    expect(outcome).toMatchObject({ code: 0, stdout: '4\n20\n', stderr: '' });
  });

  it('fail with the code of the resolver, or with errno', async () => {
    const outcome = await runProgram(
      `for (const code of [-2, -3, -4, -5, -7, -9, -11, -12345]) look(nativeBinding(), 'fail:' + code, (status, entries) => console.log(code, status, entries));`,
    );
    const lines = outcome.stdout.trim().split('\n').sort();
    expect(lines).toEqual(
      [
        '-2 -3008 null',
        '-3 -3001 null',
        '-4 -3004 null',
        '-5 -3007 null',
        '-7 -3011 null',
        '-9 -3000 null',
        '-11 -24 null',
        '-12345 -3004 null',
      ].sort(),
    );
  });

  it('make an exception out of a delivery uncaught, and deliver the others', async () => {
    const outcome = await runProgram(
      `process.on('uncaughtException', (error) => console.log('caught', error.message));
       look(nativeBinding(), 'one', () => { throw new Error('of one'); });
       look(nativeBinding(), 'two', () => console.log('two'));`,
    );
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout.trim().split('\n').sort()).toEqual(['caught of one', 'two']);
  });

  it('may start other look-ups during their delivery', async () => {
    const outcome = await runProgram(
      `const again = (left) => look(nativeBinding(), 'x', () => { if (left > 0) again(left - 1); else console.log('done'); });
       again(20);`,
    );
    expect(outcome).toMatchObject({ code: 0, stdout: 'done\n' });
  });

  it('do not delay process.exit() or an uncaught error when they hang', async () => {
    const exit = await runProgram(
      `for (let i = 0; i < 9; i++) look(nativeBinding(), 'hang', () => console.log('never')); process.exit(5);`,
      true,
    );
    expect(exit).toMatchObject({ code: 5, signal: null, stdout: '', stderr: '' });
    const thrown = await runProgram(
      `look(nativeBinding(), 'hang', () => console.log('never')); throw new Error('of main');`,
      true,
    );
    expect(thrown).toMatchObject({ code: 1, signal: null, stdout: '' });
  });

  it('are dropped with their worker when they hang, even if no other thread loaded the addon', async () => {
    const worker = `${prelude}
      const { parentPort } = require('node:worker_threads');
      for (let i = 0; i < 9; i++) look(nativeBinding(), 'hang', () => console.log('never'));
      parentPort.postMessage('hanging');`;
    const outcome = await runProgram(
      `void (async () => {
         for (let round = 0; round < 3; round++) {
           const before = threads();
           const worker = new Worker(${JSON.stringify(worker)}, { eval: true });
           await new Promise((resolve) => worker.once('message', resolve));
           await worker.terminate();
           // The four threads of the resolver still hang in the addon, which no environment uses
           // any more. Now they return into its code.
           const deadline = Date.now() + 20_000;
           while (threads() > before && Date.now() < deadline) {
             try { fs.closeSync(fs.openSync(process.env.SLOW_RESOLVER, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK)); }
             catch (error) { if (error.code !== 'ENXIO') throw error; }
             await new Promise((resolve) => setImmediate(resolve));
           }
           console.log(threads() <= before);
         }
       })();`,
    );
    expect(outcome).toMatchObject({
      code: 0,
      signal: null,
      stdout: 'true\ntrue\ntrue\n',
      stderr: '',
    });
  });

  it('end with a worker that is terminated during many look-ups', async () => {
    const worker = `${prelude}
      const { parentPort } = require('node:worker_threads');
      const native = nativeBinding();
      let count = 0;
      const again = () => look(native, 'x', () => { if (++count === 30) parentPort.postMessage('going'); again(); });
      for (let i = 0; i < 10; i++) again();`;
    const outcome = await runProgram(
      `void (async () => {
         for (let round = 0; round < 20; round++) {
           const worker = new Worker(${JSON.stringify(worker)}, { eval: true });
           await new Promise((resolve) => worker.once('message', resolve));
           await worker.terminate();
         }
         console.log('done');
       })();`,
    );
    expect(outcome).toMatchObject({ code: 0, signal: null, stdout: 'done\n', stderr: '' });
  });
});

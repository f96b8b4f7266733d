import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot, runCode } from '../support/child';

let folder = '';
let fifo = '';
let shim = '';
let runs = 0;

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
const begin = (native, host, deliver) => {
  const ticket = native.getaddrinfo(host, '80', 0, 1, 0, 0, deliver);
  if (ticket <= 0) throw new Error('code ' + ticket);
  return ticket;
};
const look = (native, host, deliver) => void begin(native, host, deliver);
const { UV_ENOENT } = nativeBinding().constants;
// How many look-ups have begun to hang.
const hung = () => fs.readFileSync(process.env.SLOW_RESOLVER_LOG).length;
// Lets all readers that wait at the FIFO go on.
const release = () => fs.closeSync(fs.openSync(process.env.SLOW_RESOLVER, 'w'));
`;
/** Lets the readers that wait at the FIFO go on, if there are any. */
const releaseSome = `try { fs.closeSync(fs.openSync(process.env.SLOW_RESOLVER, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK)); }
         catch (error) { if (error.code !== 'ENXIO') throw error; }`;

function runProgram(program: string, abrupt = false) {
  const log = join(folder, `log-${String(++runs)}`);
  writeFileSync(log, '');
  const preload = [shim, process.env['LD_PRELOAD']].filter(
    (library) => library !== undefined && library !== '',
  );
  return runCode(prelude + program, {
    commonjs: true,
    // The runtime library of the sanitizers must come first (scripts/asan.mjs).
    env: {
      SLOW_RESOLVER: fifo,
      SLOW_RESOLVER_LOG: log,
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

  it('take at most sixteen threads when they hang; the others wait, and all are delivered', async () => {
    const outcome = await runProgram(
      `const native = nativeBinding();
       const before = threads();
       let delivered = 0;
       for (let i = 0; i < 40; i++) look(native, 'hang' + i, () => { delivered++; });
       console.log(threads() - before);
       const timer = setInterval(() => {
         if (delivered === 40) { clearInterval(timer); console.log(delivered); return; }
         ${releaseSome}
       }, 1);`,
    );
    expect(outcome).toMatchObject({ code: 0, stdout: '16\n40\n', stderr: '' });
  });

  it('are dropped if nobody waits for them and no thread has begun them', async () => {
    const outcome = await runProgram(
      `const native = nativeBinding();
       const never = () => console.log('never');
       const tickets = Array.from({ length: 16 }, (_, i) => begin(native, 'hang' + i, never));
       const queued = Array.from({ length: 3 }, (_, i) => begin(native, 'queued' + i, never));
       // A thread takes a look-up off the queue a moment after it was started.
       const timer = setInterval(() => {
         if (hung() < 16) return;
         clearInterval(timer);
         const [first, , last] = queued;
         console.log(queued.map((ticket) => native.setLookUpWanted(ticket, false)).join());
         console.log([first, last, 0, -1, 7 << 20].every((ticket) => native.setLookUpWanted(ticket, true) === UV_ENOENT));
         // Those that hang go on. Their tickets stay valid, and nothing holds the process.
         for (const wanted of [false, false, true, false])
           console.log(tickets.every((ticket) => native.setLookUpWanted(ticket, wanted) === 1));
       }, 1);`,
    );
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout).toBe('0,0,0\ntrue\ntrue\ntrue\ntrue\ntrue\n');
  });

  it('that nobody waits for leave their threads to others, up to a limit, and all end', async () => {
    const outcome = await runProgram(
      `const native = nativeBinding();
       const before = threads();
       let delivered = 0;
       let given = 0;
       const giveUp = (count) => {
         for (let i = 0; i < count; i++) {
           const ticket = begin(native, 'hang', () => { delivered++; });
           given++;
           // Given up once a thread has begun it.
           while (hung() < given) ;
           native.setLookUpWanted(ticket, false);
         }
       };
       giveUp(40);
       console.log(threads() - before);
       look(native, 'quick', () => {
         giveUp(24);
         console.log('quick is answered', threads() - before);
         // All threads hang now. The next one waits, and gets a thread when one is free.
         look(native, 'last', () => {
           const timer = setInterval(() => {
             if (delivered === 64 && threads() - before <= 16) { clearInterval(timer); console.log('all'); return; }
             ${releaseSome}
           }, 1);
         });
         setTimeout(release, 20);
       });`,
    );
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout).toBe('40\nquick is answered 64\nall\n');
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

describe.runIf(canBuild)('look-ups of the native backend', () => {
  const start = `
    const { newBuiltinBackend } = require('sockscope');
    const backend = newBuiltinBackend('native');
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    // Asks for a name until its look-up hangs, and gives it up.
    const giveUp = async (name) => {
      const before = hung();
      const scope = backend.openCancelScope();
      const asking = scope.run(() => backend.getaddrinfo(name, 80));
      while (hung() === before) await turn();
      scope.cancel();
      await asking;
    };`;

  it('that were given up delay neither another name nor the end of the process', async () => {
    const outcome = await runProgram(
      `${start}
       void (async () => {
         for (let i = 0; i < 20; i++) await giveUp('hang' + i);
         console.log((await backend.getaddrinfo('localhost', 80, { type: 1 })).length);
       })();`,
      true,
    );
    expect(outcome).toMatchObject({ code: 0, signal: null, stdout: '1\n', stderr: '' });
  });

  it('that were given up do not delay the end of a worker', async () => {
    const worker = `${prelude}${start}
      void giveUp('hang').then(() => console.log('given up'));`;
    const outcome = await runProgram(
      `new Worker(${JSON.stringify(worker)}, { eval: true }).once('exit', (code) => console.log('exit', code));`,
      true,
    );
    expect(outcome).toMatchObject({ code: 0, stdout: 'given up\nexit 0\n', stderr: '' });
  });

  it('of one name that is tried again after each timeout are one look-up, which answers when it can', async () => {
    const outcome = await runProgram(
      `${start}
       void (async () => {
         await giveUp('hang');
         for (let i = 0; i < 10; i++) {
           const scope = backend.openCancelScope();
           const asking = scope.run(() => backend.getaddrinfo('hang', 80));
           await turn();
           scope.cancel();
           await asking;
         }
         const last = backend.getaddrinfo('hang', 80, {});
         release();
         console.log((await last).length > 0, hung());
       })();`,
    );
    expect(outcome).toMatchObject({ code: 0, stdout: 'true 1\n', stderr: '' });
  });

  it('of numbers, and of no host, are answered while every thread hangs', async () => {
    const outcome = await runProgram(
      `${start}
       void (async () => {
         const scope = backend.openCancelScope();
         const asking = scope.run(() =>
           backend.gather(...Array.from({ length: 70 }, (_, i) => () => backend.getaddrinfo('hang' + i, 80))),
         );
         while (hung() < 16) await turn();
         for (const host of ['127.0.0.1', '::1', '0:0:0:0:0:0:0:1', 'fe80::1%lo', '127.1', null]) {
           const found = await backend.getaddrinfo(host, 80, { type: 1, flags: 0 });
           console.log(found.map(({ address: { address, scopeId = 0 } }) => address + ' ' + scopeId).sort().join());
         }
         console.log((await backend.getnameinfo({ address: '127.0.0.1', port: 80, family: 'IPv4' }, 3)).join());
         scope.cancel();
         await asking;
       })();`,
      true,
    );
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout.split('\n')).toEqual([
      '127.0.0.1 0',
      '::1 0',
      '::1 0',
      'fe80::1 1',
      '127.0.0.1 0',
      '127.0.0.1 0,::1 0',
      '127.0.0.1,80',
      '',
    ]);
  });
});

import { describe, expect, it } from 'vitest';
import { runCode } from '../support/child';

/**
 * The beginning of each program. `again()` evaluates the package once more, as a cleared module
 * cache does. `inContext()` evaluates it in a vm context of its own, as Jest does for every file of
 * tests. CommonJS, in the package root.
 */
const prelude = `
const { createRequire } = require('node:module');
const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');
const { Worker, parentPort } = require('node:worker_threads');
const { once } = require('node:events');
const dist = path.resolve('dist');

function again() {
  for (const key of Object.keys(require.cache)) if (key.startsWith(dist)) delete require.cache[key];
  // By a require of its own: each keeps a list of the modules that it has loaded.
  return createRequire(path.join(dist, 'again.js'))('./index.js');
}

function inContext() {
  const globals = {};
  for (const name of ['process', 'Buffer', 'URL', 'AbortController', 'AbortSignal', 'DOMException',
    'structuredClone', 'queueMicrotask', 'setTimeout', 'clearTimeout', 'setImmediate', 'console',
    'TextEncoder', 'TextDecoder', 'performance']) globals[name] = globalThis[name];
  const context = vm.createContext(globals);
  const loaded = new Map();
  const load = (file) => {
    const known = loaded.get(file);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    loaded.set(file, module);
    const wrapper = vm.runInContext(
      '(function (exports, require, module, __filename, __dirname) {' + fs.readFileSync(file, 'utf8') + '\\n})',
      context, { filename: file });
    const requireFrom = (name) => name.startsWith('.') ? load(require.resolve(path.resolve(path.dirname(file), name))) : require(name);
    wrapper(module.exports, requireFrom, module, file, path.dirname(file));
    return module.exports;
  };
  return load(path.join(dist, 'index.js'));
}

/** A server, a client, a timeout, a look-up: all that waits. */
async function use(lib, name) {
  const backend = lib.newBuiltinBackend(name);
  return backend.bootstrap(async () => {
    const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
    const { port } = listener.extra(lib.SocketAttribute.localAddress);
    const heard = await backend.createTaskGroup().run(async (group) => {
      const scope = backend.openCancelScope();
      group.startSoon(() => scope.run(() => listener.serve(async (connection) => {
        await connection.sendAll(await connection.recv(10));
        await connection.aclose();
      })));
      const connection = await backend.createTcpConnection('localhost', port);
      const waited = await backend.moveOnAfter(5).run(() => connection.recv(1));
      await connection.sendAll(Buffer.from('hello'));
      const answer = Buffer.from(await connection.recv(10)).toString();
      await connection.aclose();
      scope.cancel();
      return [waited, answer].join();
    });
    await listener.aclose();
    return heard;
  });
}

const open = () => fs.readdirSync('/proc/self/fd').filter((fd) => {
  try { return /socket|eventpoll/.test(fs.readlinkSync('/proc/self/fd/' + fd)); } catch (error) { if (error.code === 'ENOENT') return false; throw error; }
}).length;
const collect = async () => {
  for (let i = 0; i < 10; i++) { await new Promise((resolve) => setTimeout(resolve, 5)); gc(); }
};
`;

const kinds = process.platform === 'linux' ? ['epoll', 'poll'] : ['poll'];

describe.each(kinds)('evaluations of the package in one process, with the %s reactor', (kind) => {
  const runProgram = async (program: string, ...execArgv: string[]): Promise<string> => {
    const source = `const prelude = ${JSON.stringify(prelude)};\n${prelude}
      (async () => { ${program} })().catch((error) => { console.error(error); process.exit(1); });`;
    const { code, signal, stdout, stderr } = await runCode(source, {
      commonjs: true,
      execArgv: ['--expose-gc', ...execArgv],
      env: { SOCKSCOPE_REACTOR: kind },
    });
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    return stdout;
  };

  it.each(['native', 'node'])(
    'wait one after another and at once, on the %s backend',
    async (name) => {
      const stdout = await runProgram(`
      const libs = [again(), again(), inContext(), inContext()];
      for (const lib of libs) console.log(await use(lib, '${name}'));
      console.log((await Promise.all(libs.map((lib) => use(lib, '${name}')))).join(' '));
    `);
      expect(stdout).toBe(`${',hello\n'.repeat(4)},hello ,hello ,hello ,hello\n`);
    },
  );

  it('wait in a worker, too', async () => {
    const stdout = await runProgram(`
      const worker = new Worker(prelude + \`
        Promise.all([again(), again(), inContext()].map((lib) => use(lib, 'native')))
          .then((heard) => parentPort.postMessage(heard));
      \`, { eval: true });
      console.log((await once(worker, 'message'))[0].join(' '), (await once(worker, 'exit'))[0]);
    `);
    expect(stdout).toBe(',hello ,hello ,hello 0\n');
  });

  it('are collected when nothing refers to them, with their fds', async () => {
    // The pairs are left open. An evaluation that is still there warns of them.
    const stdout = await runProgram(
      `
      await use(again(), 'native');
      await collect();
      const before = open();
      const gone = [];
      for (let i = 0; i < 10; i++) {
        const lib = i % 2 === 0 ? again() : inContext();
        gone.push(new WeakRef(lib));
        console.log(await use(lib, 'native'));
        lib.Socket.pair();
      }
      again();
      await collect();
      // Node keeps the last module that it has loaded.
      console.log(gone.filter((ref) => ref.deref() !== undefined).length <= 1, open() - before <= 3);
    `,
      '--no-warnings',
    );
    expect(stdout).toBe(`${',hello\n'.repeat(10)}true true\n`);
  });

  it('go on while one of their operations waits, when nothing else refers to them', async () => {
    const stdout = await runProgram(`
      const [port] = await new Promise((resolve) => {
        (() => {
          const lib = inContext();
          const backend = lib.newBuiltinBackend('native');
          void backend.bootstrap(async () => {
            const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
            const scope = backend.openCancelScope();
            resolve([listener.extra(lib.SocketAttribute.localAddress).port]);
            await scope.run(() => listener.serve(async (connection) => {
              await connection.sendAll(await connection.recv(10));
              await connection.aclose();
              scope.cancel();
            }));
            await listener.aclose();
            console.log('served');
          });
        })();
      });
      await collect();
      const lib = again();
      const backend = lib.newBuiltinBackend('native');
      const connection = await backend.createTcpConnection('127.0.0.1', port);
      await connection.sendAll(Buffer.from('still'));
      console.log(Buffer.from(await connection.recv(10)).toString());
      await connection.aclose();
    `);
    expect(stdout.split('\n').sort()).toEqual(['', 'served', 'still']);
  });

  it('do not take the fds of one another, and do not close them', async () => {
    const stdout = await runProgram(`
      const [first, second] = [again(), again()];
      const [left, right] = first.Socket.pair();
      try { second.Socket.fromFd(left.fd); } catch (error) { console.log(error.code); }
      const moved = second.Socket.fromFd(left.detach());
      await Promise.all([right.readable().then(() => console.log('readable')), moved.writable().then(() => moved.send(Buffer.from('x')))]);
      moved.close();
      // Code that owns nothing closes the fd: its number goes to the other evaluation.
      const { fd } = right;
      fs.closeSync(fd);
      let pair;
      do pair = second.Socket.pair(); while (pair.every((socket) => socket.fd !== fd));
      try { right.close(); } catch (error) { console.log(error.code); }
      console.log(fs.fstatSync(fd).isSocket());
    `);
    expect(stdout).toBe('ERR_BUSY_RESOURCE\nreadable\nEBADF\ntrue\n');
  });

  it('have error classes of their own, with the same names and codes', async () => {
    const stdout = await runProgram(`
      const [first, second] = [again(), inContext()];
      const [left] = second.Socket.pair();
      left.close();
      try { left.recv(Buffer.alloc(1)); } catch (error) {
        console.log(error instanceof second.ClosedResourceError, error instanceof first.ClosedResourceError, error.name, error.code);
      }
    `);
    expect(stdout).toBe('true false ClosedResourceError ERR_CLOSED_RESOURCE\n');
  });
});

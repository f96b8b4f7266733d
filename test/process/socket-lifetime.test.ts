import { describe, expect, it } from 'vitest';
import { run, runCode } from '../support/child';

/** The beginning of each program. */
const prelude = `
import { Socket, constants } from 'sockscope';
import { readdirSync, closeSync, openSync } from 'node:fs';
const { AF_INET, AF_UNIX, SOCK_STREAM, SOCK_DGRAM, SOL_SOCKET } = constants;
const turn = () => new Promise((resolve) => setImmediate(resolve));
function listen() {
  const listener = Socket.create(AF_INET, SOCK_STREAM);
  listener.bind({ address: '127.0.0.1', port: 0, family: 'IPv4' });
  listener.listen();
  return listener;
}
`;

describe.each(['epoll', 'poll'])('a process, with the %s reactor', { timeout: 60_000 }, (kind) => {
  const runProgram = (program: string, options: Parameters<typeof runCode>[1] = {}) =>
    runCode(prelude + program, { ...options, env: { SOCKSCOPE_REACTOR: kind, ...options.env } });

  it('is not kept alive by sockets without a waiting task, registered before or not', async () => {
    const outcome = await runProgram(`
      const [left, right] = Socket.pair();
      listen();
      const ready = right.readable();
      left.send(Buffer.from('x'));
      await ready;
      console.log('done');
    `);
    expect(outcome).toMatchObject({ code: 0, stdout: 'done\n', stderr: '' });
  });

  it('is kept alive by a wait, and released by its end', async () => {
    const outcome = await runProgram(`
      const [left, right] = Socket.pair();
      // The timer is unreferenced: it only fires if something else keeps the process alive.
      setTimeout(() => left.send(Buffer.from('x')), 50).unref();
      await right.readable();
      console.log('woken');
    `);
    expect(outcome).toMatchObject({ code: 0, stdout: 'woken\n', stderr: '' });
  });

  it('is released when the socket that it waits on is closed or detached', async () => {
    const outcome = await runProgram(`
      const [left, right] = Socket.pair();
      const waits = [left.readable(), right.readable()].map((wait) => wait.catch((error) => console.log(error.code)));
      await turn();
      left.close();
      closeSync(right.detach());
      await Promise.all(waits);
    `);
    expect(outcome).toMatchObject({
      code: 0,
      stdout: 'ERR_CLOSED_RESOURCE\nERR_CLOSED_RESOURCE\n',
      stderr: '',
    });
  });

  it('ends quietly by process.exit() with waits pending, with the given status', async () => {
    const outcome = await runProgram(`
      for (let i = 0; i < 300; i++) {
        const [left, right] = Socket.pair();
        right.readable();
        if (i % 2) left.send(Buffer.from('x'));
      }
      listen().readable();
      setImmediate(() => process.exit(7));
    `);
    expect(outcome).toMatchObject({ code: 7, signal: null, stdout: '', stderr: '' });
  });

  it('ends with an uncaught error after a wait as with any other', async () => {
    const outcome = await runProgram(`
      const [left, right] = Socket.pair();
      process.on('uncaughtException', (error) => { console.log(error.message); process.exit(3); });
      right.readable().then(() => { throw new Error('planted'); });
      left.send(Buffer.from('x'));
    `);
    expect(outcome).toMatchObject({ code: 3, stdout: 'planted\n', stderr: '' });
  });

  it('survives that other code closes an fd while a task waits on it', async () => {
    const outcome = await runProgram(`
      const [left, right] = Socket.pair();
      const wait = right.readable().catch((error) => console.log(error.code));
      // The poll reactor is level-triggered: libuv must not find the fd closed when it changes its
      // registration.
      for (let i = 0; i < 5; i++) await turn();
      closeSync(right.fd);
      await turn();
      try { right.close(); } catch (error) { console.log(error.code); }
      await wait;
      left.close();
    `);
    expect(outcome).toMatchObject({ code: 0, signal: null, stderr: '' });
    expect(outcome.stdout.split('\n').sort()).toEqual(['', 'EBADF', 'ERR_CLOSED_RESOURCE']);
  });

  it('does not keep the AsyncLocalStorage context of the first wait', async () => {
    const outcome = await runProgram(
      `
      import { AsyncLocalStorage } from 'node:async_hooks';
      const storage = new AsyncLocalStorage();
      let collected = false;
      const registry = new FinalizationRegistry(() => { collected = true; });
      async function waitOnce(sockets) {
        const [left, right] = sockets;
        const ready = right.readable();
        left.send(Buffer.from('x'));
        await ready;
        right.recv(Buffer.alloc(1));
      }
      const sockets = Socket.pair();
      await (async () => {
        const store = { some: 'thing' };
        registry.register(store);
        await storage.run(store, waitOnce, sockets);
      })();
      await waitOnce(sockets);
      for (let i = 0; i < 100 && !collected; i++) { gc(); await turn(); }
      console.log(collected, registry instanceof FinalizationRegistry);
      for (const socket of sockets) socket.close();
    `,
      { execArgv: ['--expose-gc'] },
    );
    expect(outcome).toMatchObject({ code: 0, stdout: 'true true\n', stderr: '' });
  });
});

describe('a Socket that is collected unclosed', () => {
  const program = `${prelude}
    process.on('warning', (warning) => console.log(warning.name, warning.code, warning.message));
    function forgetful() { Socket.create(AF_INET, SOCK_DGRAM); }
    forgetful();
    let warned = false;
    process.once('warning', () => { warned = true; });
    for (let i = 0; i < 100 && !warned; i++) { gc(); await turn(); }
    console.log(readdirSync('/proc/self/fd').length);
  `;

  it('is reported with the place of its creation if SOCKSCOPE_DEBUG is set', async () => {
    const { stdout } = await runCode(program, {
      execArgv: ['--expose-gc', '--no-warnings'],
      env: { SOCKSCOPE_DEBUG: '1' },
    });
    expect(stdout).toMatch(
      /^ResourceWarning SOCKSCOPE_UNCLOSED A Socket \(fd \d+\) was garbage-collected unclosed; its fd has been closed\. It was created:\n/,
    );
    expect(stdout).toMatch(
      /It was created:\n +at new NativeSocket .*\n +at \w+\.create .*\n +at forgetful /,
    );
    expect(stdout).not.toContain('leaks.js');
  });

  it('is reported without that place by default, and with SOCKSCOPE_DEBUG=0', async () => {
    for (const debug of [undefined, '0', '']) {
      const { stdout } = await runCode(program, {
        execArgv: ['--expose-gc', '--no-warnings'],
        env: { SOCKSCOPE_DEBUG: debug },
      });
      expect(stdout).toContain('Set SOCKSCOPE_DEBUG=1 to see where it was created.');
      expect(stdout).not.toContain('forgetful');
    }
  });

  it('is reported also if the program has set Error.prepareStackTrace', async () => {
    const { stdout, code } = await runCode(
      `Error.prepareStackTrace = () => ({ not: 'text' });\n${program}`,
      {
        execArgv: ['--expose-gc', '--no-warnings'],
        env: { SOCKSCOPE_DEBUG: '1' },
      },
    );
    expect(code).toBe(0);
    expect(stdout).toContain('SOCKSCOPE_UNCLOSED');
  });
});

describe('the last fd', () => {
  /** Runs with a limit of 40 open fds. */
  const runShort = (program: string) =>
    run('/bin/sh', {
      args: [
        '-c',
        'ulimit -n 40; exec "$0" --input-type=module -e "$1"',
        process.execPath,
        `${prelude}
        const hoard = [];
        function exhaust() { for (;;) try { hoard.push(openSync('/dev/null')); } catch (error) { if (error.code === 'EMFILE') return; throw error; } }
        const give = (count) => { for (let i = 0; i < count; i++) closeSync(hoard.pop()); };
        const codeOf = (call) => { try { return String(call()); } catch (error) { return error.code + ' ' + error.syscall; } };
        ${program}`,
      ],
    });

  it('is in use: calls that make an fd fail with EMFILE, and open sockets work', async () => {
    const outcome = await runShort(`
      const listener = listen();
      const client = Socket.create(AF_INET, SOCK_STREAM);
      client.connect(listener.localAddress());
      const ready = listener.readable();
      await ready;
      exhaust();
      for (const call of [() => Socket.create(AF_INET, SOCK_STREAM), () => Socket.pair(), () => client.dup(), () => listener.accept()]) console.log(codeOf(call));
      give(1);
      console.log(codeOf(() => Socket.pair()));
      const server = listener.accept();
      client.send(Buffer.from('x'));
      await server.readable();
      console.log(server.recv(Buffer.alloc(4)));
    `);
    expect(outcome).toMatchObject({
      code: 0,
      stdout: 'EMFILE socket\nEMFILE socketpair\nEMFILE dup\nEMFILE accept\nEMFILE socketpair\n1\n',
      stderr: '',
    });
  });

  it('is in use: the first wait of a process fails, and the next may succeed', async () => {
    const outcome = await runShort(`
      const [left, right] = Socket.pair();
      exhaust();
      await right.readable().catch((error) => console.log(error.code));
      give(1);
      setTimeout(() => left.send(Buffer.from('x')), 1);
      await right.readable();
      console.log('woken');
    `);
    expect(outcome).toMatchObject({ code: 0, stdout: 'EMFILE\nwoken\n', stderr: '' });
  });

  it('is in use: a message with fds is truncated, and no fd leaks', async () => {
    const outcome = await runShort(`
      const [left, right] = Socket.pair();
      left.sendmsg([Buffer.from('x')], { ancillary: { fds: [0, 1, 2] } });
      exhaust();
      give(2);
      const { ancillary } = right.recvmsg([Buffer.alloc(1)], 100);
      console.log(ancillary.fds.length, ancillary.truncated);
      hoard.push(...ancillary.fds);
      exhaust();
      console.log(hoard.length === new Set(hoard).size);
    `);
    expect(outcome).toMatchObject({ code: 0, stdout: '2 true\ntrue\n', stderr: '' });
  });
});

describe('a child process', () => {
  it('inherits no socket that it was not given', async () => {
    const outcome = await runCode(`${prelude}
      import { execFileSync } from 'node:child_process';
      const listener = listen();
      const client = Socket.create(AF_INET, SOCK_STREAM);
      client.connect(listener.localAddress());
      await listener.readable();
      const sockets = [listener, client, listener.accept(), client.dup(), ...Socket.pair()];
      const [left, right] = sockets.slice(-2);
      left.sendmsg([Buffer.from('x')], { ancillary: { fds: [client.fd] } });
      sockets.push(Socket.fromFd(right.recvmsg([Buffer.alloc(1)], 100).ancillary.fds[0]));
      const list = 'import os; print(*[os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}") or int(fd) > 2], sep="\\\\n")';
      const fds = execFileSync('python3', ['-c', 'import os\\nfor fd in range(100):\\n  try: print(fd, os.readlink(f"/proc/self/fd/{fd}"))\\n  except OSError: pass'], { stdio: ['ignore', 'pipe', 'inherit', client.fd] }).toString();
      const identity = (socket) => readlinkSync('/proc/self/fd/' + socket.fd);
      console.log(sockets.filter((socket) => fds.includes(identity(socket))).length, fds.includes('3 ' + identity(client)));
      import { readlinkSync } from 'node:fs';
      for (const socket of sockets) socket.close();
    `);
    // Three of the sockets are the connection itself: the client, its duplicate, and the received
    // fd.
    expect(outcome).toMatchObject({ code: 0, stdout: '3 true\n', stderr: '' });
  });
});

import { describe, expect, it } from 'vitest';
import { run } from '../support/child';

const kinds = process.platform === 'linux' ? ['epoll', 'poll'] : ['poll'];

/**
 * Runs a program under a limit of open files, which the `ulimit` of sh sets. The program has
 * `backend`, and its last line of output is JSON.
 */
async function runLimited(
  limit: number,
  program: string,
  env: NodeJS.ProcessEnv = {},
  timeout = 60_000,
  backend = 'native',
): Promise<{ result: unknown; stderr: string }> {
  const source = `
import { newBuiltinBackend, SocketAttribute } from 'sockscope';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { closeSync, openSync, readdirSync } from 'node:fs';
import { once } from 'node:events';
const backend = newBuiltinBackend('${backend}');
const fdCount = () => readdirSync('/proc/self/fd').length;
const print = (value) => console.log(JSON.stringify(value));
${program}`;
  const outcome = await run('sh', {
    args: [
      '-c',
      `ulimit -n ${limit} && exec "$0" --expose-gc --input-type=module -e "$1"`,
      process.execPath,
      source,
    ],
    env,
    timeout,
  });
  expect(outcome, outcome.stderr).toMatchObject({ code: 0, signal: null });
  return {
    result: JSON.parse(outcome.stdout.trim().split('\n').at(-1) ?? 'null'),
    stderr: outcome.stderr,
  };
}

/** Opens files until no fd is left. */
const exhaust = `
const taken = [];
function exhaust() {
  for (;;) {
    try { taken.push(openSync('/dev/null')); } catch (error) { if (error.code !== 'EMFILE') throw error; break; }
  }
}
const release = () => { for (const fd of taken.splice(0)) closeSync(fd); };
// A client in a process of its own. It connects to each port that it reads, and prints the answer.
const client = spawn('python3', ['-c', \`
import socket, sys
for line in sys.stdin:
    try:
        s = socket.create_connection(('127.0.0.1', int(line)))
        print(s.recv(100).decode(), flush=True)
    except OSError as error:
        print(error, flush=True)
\`], { stdio: ['pipe', 'pipe', 'inherit'] });
const answers = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
const warnings = [];
process.on('warning', (warning) => warnings.push([warning.name, warning.code, warning.message]));
`;

describe.each(kinds)('serve without free fds, with the %s reactor', (kind) => {
  it('warns once, and accepts the connection when an fd is free', async () => {
    const { result } = await runLimited(
      128,
      `${exhaust}
const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
const { port } = listener.extra(SocketAttribute.localAddress);
let handled = 0;
await backend.createTaskGroup().run(async (group) => {
  group.startSoon(() => listener.serve(async (connection) => { handled++; await connection.sendAll(Buffer.from('hello')); await connection.aclose(); }));
  await backend.coroYield();
  exhaust();
  client.stdin.write(port + '\\n');
  while (warnings.length === 0) await backend.sleep(5);
  await backend.sleep(350);
  const before = handled;
  release();
  const { value: data } = await backend.waitFor(answers.next());
  print({ before, handled, data, warnings });
  group.cancelScope.cancel();
});
await listener.aclose();
client.kill();`,
      { SOCKSCOPE_REACTOR: kind },
    );
    expect(result).toEqual({
      before: 0,
      handled: 1,
      data: 'hello',
      warnings: [
        [
          'SockscopeWarning',
          'SOCKSCOPE_ACCEPT',
          expect.stringMatching(/^accept returned EMFILE; retrying every 100 ms$/) as string,
        ],
      ],
    });
  });

  it('ends at once when it is cancelled, or its listener is closed, during the pause', async () => {
    const { result } = await runLimited(
      128,
      `${exhaust}
const outcomes = [];
for (const end of ['cancel', 'close']) {
  const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
  const { port } = listener.extra(SocketAttribute.localAddress);
  const scope = backend.openCancelScope();
  const serving = scope.run(() => listener.serve(() => {})).then((value) => value ?? 'cancelled', (error) => error.code);
  await backend.coroYield();
  exhaust();
  client.stdin.write(port + '\\n');
  const seen = warnings.length;
  while (warnings.length === seen) await backend.sleep(1);
  if (end === 'cancel') scope.cancel(); else await listener.aclose();
  outcomes.push(await serving);
  release();
  await listener.aclose();
}
client.kill();
print(outcomes);`,
      { SOCKSCOPE_REACTOR: kind },
    );
    expect(result).toEqual(['cancelled', 'ERR_CLOSED_RESOURCE']);
  });
});

/**
 * 200 clients at once, where 64 fds serve about 40 of them, and each handler takes 150 ms. The
 * counts are of the clients that were answered, that the server left without an answer, and that
 * heard nothing.
 */
const stampede = `
// The clients have the same limit, so five processes share them.
const clients = async (port) => {
  const counts = await Promise.all(Array.from({ length: 5 }, () => fortyClients(port)));
  return [0, 1, 2].map((kind) => counts.reduce((sum, count) => sum + count[kind], 0));
};
const fortyClients = (port) => {
  const peer = spawn('python3', ['-c', ${JSON.stringify(`
import asyncio, sys
async def ask():
    try:
        reader, writer = await asyncio.open_connection('127.0.0.1', int(sys.argv[1]))
        data = await asyncio.wait_for(reader.read(100), 30)
        writer.close()
        return 'answered' if data == b'hello' else 'ended'
    except asyncio.TimeoutError:
        return 'hung'
    except OSError:
        return 'ended'
async def main():
    results = await asyncio.gather(*(ask() for _ in range(int(sys.argv[2]))))
    print(*(results.count(kind) for kind in ('answered', 'ended', 'hung')))
asyncio.run(main())
`)}, String(port), '40'], { stdio: ['ignore', 'pipe', 'inherit'] });
  return once(createInterface({ input: peer.stdout }), 'line').then(([line]) => line.split(' ').map(Number));
};
const warnings = [];
process.on('warning', (warning) => warnings.push(warning.code));
const [listener] = await backend.createTcpListeners('127.0.0.1', 0, { backlog: 512 });
const { port } = listener.extra(SocketAttribute.localAddress);
const handler = async (connection) => {
  await backend.sleep(150);
  await connection.sendAll(Buffer.from('hello'));
  await connection.aclose();
};
const serveUntil = async (promise) => {
  const scope = backend.openCancelScope();
  const serving = scope.run(() => listener.serve(handler));
  const result = await promise;
  scope.cancel();
  await serving;
  return result;
};
`;

describe.each(kinds)(
  'many more clients than free fds, with the %s reactor',
  { timeout: 90_000 },
  (kind) => {
    it('are all answered, with one warning', async () => {
      const { result } = await runLimited(
        64,
        `${stampede}
print({ results: await serveUntil(clients(port)), warnings });
await listener.aclose();`,
        { SOCKSCOPE_REACTOR: kind },
      );
      expect(result).toEqual({ results: [200, 0, 0], warnings: ['SOCKSCOPE_ACCEPT'] });
    });

    it('are all answered by a serve that begins after one was cancelled in the pause', async () => {
      const { result } = await runLimited(
        64,
        `${stampede}
const taken = [];
const answers = clients(port);
await backend.sleep(500);
for (;;) try { taken.push(openSync('/dev/null')); } catch { break; }
await serveUntil(once(process, 'warning'));
for (const fd of taken) closeSync(fd);
// All clients are connected, so the listener gets no further event.
print({ results: await serveUntil(answers), warnings });
await listener.aclose();`,
        { SOCKSCOPE_REACTOR: kind },
      );
      expect(result).toEqual({ results: [200, 0, 0], warnings: ['SOCKSCOPE_ACCEPT'] });
    });
  },
);

describe('many more clients than free fds, with the node backend', { timeout: 90_000 }, () => {
  it('are answered or closed by libuv, none hangs, and the listener goes on', async () => {
    const { result } = await runLimited(
      64,
      `${stampede}
const [answered, ended, hung] = await serveUntil(clients(port));
print({ total: answered + ended, served: answered > 0, hung, warnings: warnings.length <= 1 });
await listener.aclose();`,
      {},
      60_000,
      'node',
    );
    expect(result).toEqual({ total: 200, served: true, hung: 0, warnings: true });
  });
});

describe.each(kinds)('waiting without free fds, with the %s reactor', (kind) => {
  it('brings data, the end and room to sockets that wait for the first time', async () => {
    const { result } = await runLimited(
      64,
      `${exhaust}
client.kill();
const { Socket, constants } = await import('sockscope');
const pairs = Array.from({ length: 4 }, () => Socket.pair(constants.AF_UNIX, constants.SOCK_STREAM));
// The reactor is open before the shortage.
await pairs[0][0].writable();
setImmediate(() => pairs[0][1].send(Buffer.from('x')));
await pairs[0][0].readable();
exhaust();
const chunk = new Uint8Array(65536);
while (pairs[3][0].send(chunk) !== null);
const waits = [pairs[1][0].readable(), pairs[2][0].readable(), pairs[3][0].writable()];
const closed = pairs[2][1].readable().catch((error) => error.code);
await backend.sleep(50);
pairs[1][1].send(Buffer.from('x'));
pairs[2][1].close();
while (pairs[3][1].recv(chunk) !== null);
await Promise.all(waits);
const results = [pairs[1][0].recv(chunk), pairs[2][0].recv(chunk), await closed];
// With fds, and after a wait without any.
release();
const next = pairs[1][0].readable();
await backend.sleep(50);
pairs[1][1].send(Buffer.from('yz'));
await next;
print([...results, pairs[1][0].recv(chunk)]);
for (const pair of pairs) for (const socket of pair) socket.close();`,
      { SOCKSCOPE_REACTOR: kind },
    );
    expect(result).toEqual([1, 0, 'ERR_CLOSED_RESOURCE', 2]);
  });
});

describe('connecting without free fds', () => {
  it('fails with EMFILE', async () => {
    const { result } = await runLimited(
      64,
      `${exhaust}
exhaust();
client.kill();
const codes = [];
for (const attempt of [
  () => backend.createTcpConnection('127.0.0.1', 1),
  () => backend.createUnixStreamConnection('/nonexistent'),
  () => backend.createUdpEndpoint('127.0.0.1', 1),
  () => backend.createTcpListeners('127.0.0.1', 0),
  () => backend.createUnixDatagramListener('/tmp/never-made'),
]) codes.push(await attempt().then(() => 'no error', (error) => error.code));
release();
print(codes);`,
    );
    expect(result).toEqual(['EMFILE', 'EMFILE', 'EMFILE', 'EMFILE', 'EMFILE']);
  });
});

describe('5,000 connections at once', () => {
  it('are all echoed, and leave no fd, timer or memory behind', { timeout: 120_000 }, async () => {
    const clients = 5000;
    const { result } = await runLimited(
      16_000,
      `
const [listener] = await backend.createTcpListeners('127.0.0.1', 0, { backlog: 4096 });
const { port } = listener.extra(SocketAttribute.localAddress);
let open = 0, most = 0;
async function round() {
  const peer = spawn('python3', ['-c', ${JSON.stringify(`
import socket, sys
port, count = int(sys.argv[1]), int(sys.argv[2])
sockets = [socket.create_connection(('127.0.0.1', port)) for _ in range(count)]
print('connected', flush=True); sys.stdin.readline()
for i, s in enumerate(sockets): s.sendall(b'%08d' % i)
print(sum(s.recv(8, socket.MSG_WAITALL) == b'%08d' % i for i, s in enumerate(sockets)), flush=True)
`)}, String(port), '${clients}'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
  let echoed = 0;
  await backend.createTaskGroup().run(async (group) => {
    group.startSoon(() => listener.serve(async (connection) => {
      most = Math.max(most, ++open);
      const buffer = new Uint8Array(64);
      for (let size = await connection.recvInto(buffer); size > 0; size = await connection.recvInto(buffer)) await connection.sendAll(buffer.subarray(0, size));
      await connection.aclose();
      open--;
    }));
    await backend.waitFor(lines.next());
    while (open < ${clients}) await backend.sleep(5);
    peer.stdin.write('go\\n');
    echoed = Number((await backend.waitFor(lines.next())).value);
    await backend.waitFor(once(peer, 'close'));
    while (open > 0) await backend.sleep(5);
    group.cancelScope.cancel();
  });
  return echoed;
}
const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
const settled = async () => { for (let i = 0; i < 5; i++) { gc(); await backend.sleep(20); } return process.memoryUsage().heapUsed; };
const first = await round();
const fds = fdCount();
const heap = await settled();
const second = await round();
const after = await settled();
await new Promise(setImmediate);
print({ echoed: [first, second], most, fds: fdCount() - fds, timers: timers(), growth: (after - heap) / ${clients} });
await listener.aclose();`,
      {},
      110_000,
    );
    expect(result).toMatchObject({ echoed: [clients, clients], most: clients, fds: 0, timers: 0 });
    const { growth } = result as { growth: number };
    // Bytes per connection that the second round left behind: a leaked transport would be some
    // thousand.
    expect(growth).toBeLessThan(100);
  });
});

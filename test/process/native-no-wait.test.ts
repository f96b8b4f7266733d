import { describe, expect, it } from 'vitest';
import { run } from '../support/child';

/**
 * The beginning of each program. CommonJS, in the package root. `share` starts a child that gets
 * the socket as its standard input: for that, libuv clears O_NONBLOCK of the open file description,
 * which both processes share.
 */
const prelude = `
const { nativeBinding } = require('./dist/binding.js');
const { spawnSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
const native = nativeBinding();
const { AF_UNIX, AF_INET, SOCK_STREAM, SOCK_DGRAM, SOL_SOCKET, SO_LINGER, SO_SNDBUF, IPPROTO_TCP } = native.constants;
const check = (result) => { if (result < 0) throw new Error('code ' + result); return result; };
const share = (fd) => {
  spawnSync(process.execPath, ['-v'], { stdio: [fd, 'ignore', 'ignore'] });
  const [, flags] = /^flags:\\s*([0-7]+)/m.exec(readFileSync('/proc/self/fdinfo/' + fd, 'latin1'));
  if ((parseInt(flags, 8) & 0o4000) !== 0) throw new Error('O_NONBLOCK is still set');
  return fd;
};
const pair = (type = SOCK_STREAM) => { const fds = new Int32Array(2); check(native.socketpair(AF_UNIX, type, 0, fds)); return fds; };
const chunk = Buffer.alloc(65536);
const full = (type) => { const [fd] = pair(type); while (native.send(fd, chunk.subarray(0, 10000), 0, 0) > 0); return fd; };
const address = (family, name) => {
  const bytes = new Uint8Array(native.limits.sockaddrMax);
  const length = family === AF_INET ? native.encodeInet(bytes, '127.0.0.1', 0, 0, 0) : native.encodeUnix(bytes, Buffer.from(name));
  return [bytes, check(length)];
};
const listening = (family, backlog) => {
  const fd = check(native.socket(family, SOCK_STREAM, 0));
  check(native.bind(fd, ...address(family, '\\0sockscope-no-wait-' + process.pid)));
  check(native.listen(fd, backlog));
  const bytes = new Uint8Array(native.limits.sockaddrMax);
  return [fd, bytes, check(native.getsockname(fd, bytes))];
};
const { getSystemErrorName } = require('node:util');
const print = (result) => console.log(result < 0 ? getSystemErrorName(result) : result);
const numbers = new Int32Array(3);
`;

/** The output of a program. One that blocks is killed. */
async function outcomeOf(program: string): Promise<string> {
  const { stdout, stderr, signal } = await run(process.execPath, {
    args: ['-e', prelude + program],
    timeout: 15_000,
  });
  return signal === null ? (stdout + stderr).trim() : 'blocked';
}

const RECEIVES = {
  recv: 'native.recv(fd, Buffer.alloc(9), 0)',
  'recv with MSG_PEEK': 'native.recv(fd, Buffer.alloc(9), native.constants.MSG_PEEK)',
  'recv with MSG_WAITALL': 'native.recv(fd, Buffer.alloc(9), native.constants.MSG_WAITALL ?? 0)',
  recvfrom: 'native.recvfrom(fd, Buffer.alloc(9), null, numbers)',
  recvmsg: 'native.recvmsg(fd, [Buffer.alloc(9)], null, null, numbers, 0)',
  recvv: 'native.recvv(fd, 0, Buffer.alloc(9))',
  recvmmsg: 'native.recvmmsg(fd, Buffer.alloc(20), 10, 2, numbers, null, null)',
};

const SENDS = {
  send: 'native.send(fd, chunk, 0, 0)',
  sendmsg: 'native.sendmsg(fd, [chunk], 0, null, 0, null, 0, 0)',
  sendv: 'native.sendv(fd, 0, 0, chunk)',
  sendmmsg: 'native.sendmmsg(fd, [chunk, chunk], 0, null, 0)',
};

describe('a socket whose O_NONBLOCK another process clears', { timeout: 60_000 }, () => {
  it.each(Object.entries(RECEIVES))('%s does not block', async (_name, call) => {
    expect(await outcomeOf(`const fd = share(pair()[0]); print(${call});`)).toBe('EAGAIN');
  });

  it.each(Object.entries(SENDS))('%s does not block', async (_name, call) => {
    expect(await outcomeOf(`const fd = share(full()); print(${call});`)).toBe('EAGAIN');
  });

  it('sendto does not block', async () => {
    const outcome = await outcomeOf(`
const [receiver] = pair(SOCK_DGRAM);
const server = check(native.socket(AF_UNIX, SOCK_DGRAM, 0));
const to = address(AF_UNIX, '\\0sockscope-no-wait-' + process.pid);
check(native.bind(server, ...to));
const fd = check(native.socket(AF_UNIX, SOCK_DGRAM, 0));
while (native.sendto(fd, chunk.subarray(0, 10), ...to) > 0);
share(fd);
print(native.sendto(fd, chunk.subarray(0, 10), ...to));`);
    expect(outcome).toBe('EAGAIN');
  });

  it.each(['AF_INET', 'AF_UNIX'])('accept does not block (%s)', async (family) => {
    const outcome = await outcomeOf(`
const [fd, bytes, length] = listening(${family}, 5);
share(fd);
print(native.accept(fd));
const client = check(native.socket(${family}, SOCK_STREAM, 0));
native.connect(client, bytes, length);
while (native.poll(fd, 1) === 0);
console.log(native.accept(fd) > client);
print(native.accept(fd));
print(native.accept(client));`);
    expect(outcome.split('\n')).toEqual(['EAGAIN', 'true', 'EAGAIN', 'EINVAL']);
  });

  it('connect does not block while the backlog of a Unix listener is full', async () => {
    const outcome = await outcomeOf(`
const [listener, bytes, length] = listening(AF_UNIX, 0);
let status = 0;
for (let i = 0; i < 9 && status === 0; i++) status = native.connect(check(native.socket(AF_UNIX, SOCK_STREAM, 0)), bytes, length);
const fd = share(check(native.socket(AF_UNIX, SOCK_STREAM, 0)));
print(native.connect(fd, bytes, length));`);
    expect(outcome).toBe('EAGAIN');
  });

  it('connect does not block while a TCP listener answers nothing', async () => {
    const outcome = await outcomeOf(`
const [listener, bytes, length] = listening(AF_INET, 0);
const clients = Array.from({ length: 4 }, () => check(native.socket(AF_INET, SOCK_STREAM, 0)));
for (const client of clients) native.connect(client, bytes, length);
const fd = share(check(native.socket(AF_INET, SOCK_STREAM, 0)));
console.log(native.connect(fd, bytes, length) === native.constants.UV_EINPROGRESS);`);
    expect(outcome).toBe('true');
  });
});

describe('a socket on which another process sets SO_LINGER', { timeout: 60_000 }, () => {
  // A connection with more data under way than its peer, which never reads, has room for.
  const stuck = `
const [listener, bytes, length] = listening(AF_INET, 5);
const fd = check(native.socket(AF_INET, SOCK_STREAM, 0));
native.connect(fd, bytes, length);
while (native.poll(listener, 1) === 0);
const peer = check(native.accept(listener));
while (native.send(fd, chunk, 0, 0) > 0);
check(native.setsockoptBytes(fd, SOL_SOCKET, SO_LINGER, new Uint8Array(Int32Array.of(1, 600).buffer)));
`;

  it('is closed without waiting for its unsent data', async () => {
    expect(await outcomeOf(`${stuck}print(native.close(fd));`)).toBe('0');
  });

  it('is closed without waiting when its worker is terminated', async () => {
    const outcome = await outcomeOf(`
const { Worker } = require('node:worker_threads');
const worker = new Worker(${JSON.stringify(`${prelude}${stuck}
require('node:worker_threads').parentPort.postMessage('stuck');
setInterval(() => {}, 1000);`)}, { eval: true });
worker.once('message', () => worker.terminate().then(() => console.log('terminated')));`);
    expect(outcome).toBe('terminated');
  });

  it('still resets the connection with a linger time of 0', async () => {
    const outcome = await outcomeOf(`${stuck}
check(native.setsockoptBytes(fd, SOL_SOCKET, SO_LINGER, new Uint8Array(Int32Array.of(1, 0).buffer)));
check(native.close(fd));
print(native.send(peer, chunk, 0, 0));`);
    expect(outcome).toBe('ECONNRESET');
  });
});

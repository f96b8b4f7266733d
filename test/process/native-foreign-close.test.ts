import { describe, expect, it } from 'vitest';
import { run } from '../support/child';

const kinds = process.platform === 'linux' ? ['epoll', 'poll'] : ['poll'];

/**
 * The beginning of each program: sockets that wait in both ways, once and again. Other code then
 * closes their fds.
 */
const prelude = `
import { Socket, constants } from 'sockscope';
import { closeSync, openSync, writeSync } from 'node:fs';
import { createServer, connect } from 'node:net';
const { AF_UNIX, SOCK_STREAM } = constants;
const turns = async () => { for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve)); };
const outcomes = [];
const note = (promise) => void promise.then(() => outcomes.push('ready'), (error) => outcomes.push(error.code));
const [left, right] = Socket.pair(AF_UNIX, SOCK_STREAM);
const chunk = new Uint8Array(65536);
while (left.send(chunk) !== null);
`;

/** Other code closes an fd that the reactor watches. */
const closeWatched = `
note(left.readable());
await turns();
const { fd } = left;
closeSync(fd);`;

async function outcomeOf(kind: string, program: string): Promise<unknown> {
  const outcome = await run(process.execPath, {
    args: ['--input-type=module', '-e', prelude + program],
    env: { SOCKSCOPE_REACTOR: kind },
    timeout: 30_000,
  });
  expect(outcome, outcome.stderr).toMatchObject({ code: 0, signal: null });
  return JSON.parse(outcome.stdout);
}

describe.each(kinds)('code that closes a watched fd, with the %s reactor', (kind) => {
  it.each([
    ['at once', ''],
    ['when the watch is under way', 'await turns();'],
  ])('does not abort the process (%s)', { timeout: 60_000 }, async (_name, pause) => {
    const result = await outcomeOf(
      kind,
      `
note(left.readable());
note(left.writable());
${pause}
closeSync(left.fd);
await turns();
right.close();
await turns();
try { left.close(); } catch (error) { if (error.code !== 'EBADF') throw error; }
await turns();
console.log(JSON.stringify(outcomes.length));
process.exit();`,
    );
    expect(result).toBe(2);
  });

  it('does not disturb a file that gets the number', { timeout: 60_000 }, async () => {
    const result = await outcomeOf(
      kind,
      `
${closeWatched}
const file = openSync('/dev/null', 'w');
note(left.writable());
await turns();
console.log(JSON.stringify([file === fd, writeSync(file, 'x')]));
process.exit();`,
    );
    expect(result).toEqual([true, 1]);
  });

  it('does not disturb a socket of Node that gets the number', { timeout: 60_000 }, async () => {
    const result = await outcomeOf(
      kind,
      `
const server = createServer((peer) => peer.pipe(peer)).listen(0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
${closeWatched}
const client = connect(server.address().port, '127.0.0.1');
await new Promise((resolve) => client.once('connect', resolve));
const sameNumber = client._handle.fd === fd;
right.close();
await turns();
client.write('echo');
const [data] = await Promise.race([
  new Promise((resolve) => client.once('data', (chunk) => resolve([chunk.toString()]))),
  new Promise((resolve) => setTimeout(resolve, 5000, ['nothing'])),
]);
console.log(JSON.stringify([sameNumber, data]));
process.exit();`,
    );
    expect(result).toEqual([true, 'echo']);
  });

  it('a socket of this library that gets the number works', { timeout: 60_000 }, async () => {
    const result = await outcomeOf(
      kind,
      `
${closeWatched}
const [next, peer] = Socket.pair(AF_UNIX, SOCK_STREAM);
const waiting = next.readable();
peer.send(Buffer.from('x'));
await waiting;
console.log(JSON.stringify([next.fd === fd, next.recv(chunk), outcomes]));
process.exit();`,
    );
    expect(result).toEqual([true, 1, ['ERR_CLOSED_RESOURCE']]);
  });
});

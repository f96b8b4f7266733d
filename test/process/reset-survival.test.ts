import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { filesUnder, textOf } from '../architecture/source-tree';
import { spawnChild } from '../support/child';

/** The first server of README.md, which prints its port and serves until its stdin ends. */
function readmeServer(): string {
  const [, block = ''] =
    /```js\n((?:(?!```)[^])*?listener\.serve\([^]*?)```/.exec(textOf('README.md')) ?? [];
  const client = /const client = [^]*?await client\.aclose\(\);/;
  expect(block).toMatch(client);
  return block.replace(
    client,
    'console.log(`port ${port}`); await backend.waitFor(new Promise((end) => process.stdin.resume().on("end", end)));',
  );
}

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

async function ask(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  return String(((await once(socket, 'data')) as [Buffer])[0]);
}

/** Resets connections in all ways: unused ones, ones with unread answers, ones in the middle. */
async function misbehave(port: number): Promise<void> {
  (await dial(port)).resetAndDestroy();
  const answered = await dial(port);
  await ask(answered, 'x');
  answered.resetAndDestroy();
  const flooding = await dial(port);
  flooding.pause();
  flooding.write(Buffer.alloc(1_000_000));
  await new Promise(setImmediate);
  flooding.resetAndDestroy();
}

const SERVERS: readonly (readonly [name: string, args: () => readonly string[]])[] = [
  ['the first server of README.md', () => ['--input-type=module', '-e', readmeServer()]],
  ['examples/echo-server.mjs', () => ['examples/echo-server.mjs']],
  ['examples/restart-without-downtime.mjs', () => ['examples/restart-without-downtime.mjs']],
  ['examples/multicore-echo', () => ['examples/multicore-echo/main.mjs', '--workers', '1']],
];

describe.each(SERVERS)('%s', (_name, args) => {
  it('goes on serving others when clients reset their connections', async () => {
    const child = spawnChild(process.execPath, args(), {});
    let output = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (output += text));
    const port = await new Promise<number>((resolve, reject) => {
      child.once('exit', () => reject(new Error(output)));
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        const found = /(?:port |127\.0\.0\.1:)(\d+)/.exec(output);
        // The workers of the example listen when they have said so.
        const isReady = !output.startsWith('reuse-port') || output.includes('is thread');
        if (found !== null && isReady) resolve(Number(found[1]));
      });
    });
    const innocent = await dial(port);
    expect(await ask(innocent, 'before')).toContain('before');
    for (let round = 0; round < 5; round++) await misbehave(port);
    expect(await ask(innocent, 'after')).toContain('after');
    const late = await dial(port);
    expect(await ask(late, 'late')).toContain('late');
    for (const socket of [innocent, late]) socket.destroy();
    expect(child.exitCode).toBe(null);
    child.stdin?.end();
    child.kill('SIGTERM');
    await once(child, 'close');
  });
});

describe('code that is copied', () => {
  it('serves streams with onPeerError', () => {
    const files = ['README.md', ...filesUnder('lib', /\.ts$/)];
    const servers = files.flatMap((file) =>
      [...textOf(file).matchAll(/^```js\n([^]*?)^```|@example\n([^]*?)\*\//gm)]
        .map(([block]) => ({ file, block }))
        .filter(({ block }) => /\.serve\(/.test(block) && /createTcpL|StreamL|BaseL/.test(block)),
    );
    expect(servers.length).toBeGreaterThan(3);
    for (const { file, block } of servers) expect(block, file).toContain("onPeerError: 'ignore'");
  });
});

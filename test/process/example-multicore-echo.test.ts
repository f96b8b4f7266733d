import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';
import { spawnChild } from '../support/child';

/** Reads lines until one matches. Rejects if the output ends before. */
function lineReader(stdout: NodeJS.ReadableStream): (pattern: RegExp) => Promise<RegExpExecArray> {
  const seen: string[] = [];
  let ended = false;
  let wake: () => void = () => undefined;
  createInterface({ input: stdout })
    .on('line', (line) => {
      seen.push(line);
      wake();
    })
    .once('close', () => {
      ended = true;
      wake();
    });
  return async (pattern) => {
    for (;;) {
      for (let line = seen.shift(); line !== undefined; line = seen.shift()) {
        const match = pattern.exec(line);
        if (match !== null) return match;
      }
      if (ended) throw new Error(`the example ended before it printed ${String(pattern)}`);
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
}

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

async function exchange(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [data] = (await once(socket, 'data')) as [Buffer];
  return data.toString();
}

it('multicore-echo serves both ports, replaces a dead worker, and ends on SIGTERM', async () => {
  const child = spawnChild(
    process.execPath,
    ['examples/multicore-echo/main.mjs', '--workers', '2', '--chaos'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const exited = once(child, 'exit');
  const line = lineReader(child.stdout as NodeJS.ReadableStream);
  const [, reusePort, handOver] = (
    await line(/reuse-port on 127\.0\.0\.1:(\d+), hand-over on 127\.0\.0\.1:(\d+)/)
  ).map(Number) as [number, number, number];
  await line(/^worker \d is thread/);
  await line(/^worker \d is thread/);

  const sockets = await Promise.all([
    dial(reusePort),
    dial(reusePort),
    dial(reusePort),
    dial(reusePort),
  ]);
  for (const [index, socket] of sockets.entries())
    expect(await exchange(socket, `reuse ${String(index)}`)).toBe(`reuse ${String(index)}`);

  // The workers take turns: one serves the first and third connection, the other the second.
  const [first, second, third] = [await dial(handOver), await dial(handOver), await dial(handOver)];
  for (const socket of [first, second, third])
    expect(await exchange(socket, 'handed over')).toBe('handed over');

  const closed = Promise.all([once(first, 'close'), once(third, 'close')]);
  first.on('error', () => undefined);
  third.on('error', () => undefined);
  first.write('!crash');
  await closed;
  const [, died] = await line(/^worker (\d) died: crashed on demand/);
  await line(new RegExp(`^worker ${String(died)} is thread`));
  expect(await exchange(second, 'still here')).toBe('still here');
  const fourth = await dial(handOver);
  const fifth = await dial(handOver);
  for (const socket of [fourth, fifth]) expect(await exchange(socket, 'after')).toBe('after');

  for (const socket of [...sockets, second, fourth, fifth]) {
    socket.on('error', () => undefined);
    socket.end();
  }
  child.kill('SIGTERM');
  await line(/^stopped by SIGTERM/);
  expect(await exited).toEqual([0, null]);
});

import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, type Socket as NetSocket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { run, runNode, spawnChild } from '../support/child';
import { startPython } from '../support/python';
import { shortSocketPath } from '../support/socket-path';

/** Starts an example, and gives its output line by line. */
function start(
  example: string,
  args: readonly string[] = [],
): {
  readonly kill: (signal: NodeJS.Signals) => void;
  next(): Promise<string>;
  end(): Promise<number | null>;
  stderr(): string;
} {
  const child = spawnChild(process.execPath, [`examples/${example}`, ...args], {});
  const lines: string[] = [];
  let rest = '';
  let stderr = '';
  let wake: () => void = () => undefined;
  let isOver = false;
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
    wake();
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  void once(child, 'close').then(() => {
    isOver = true;
    wake();
  });
  return {
    kill: (signal) => void child.kill(signal),
    stderr: () => stderr,
    next: async () => {
      while (lines.length === 0) {
        if (isOver) throw new Error(`${example} ended before it printed another line: ${stderr}`);
        await new Promise<void>((resolve) => (wake = resolve));
      }
      return lines.shift()!;
    },
    end: async () => (await exited)[0],
  };
}

async function ask(socket: NetSocket, text: string): Promise<string> {
  socket.write(text);
  return String(((await once(socket, 'data')) as [Buffer])[0]);
}

/** Connects, and resets the connection: the server's next call on it fails with ECONNRESET. */
const resetConnection = (port: string): Promise<void> =>
  startPython(`
s = socket.create_connection(('127.0.0.1', ${port}))
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()`).end();

describe('examples', () => {
  it('echo-server.mjs echoes until SIGINT, and survives a reset', async () => {
    const example = start('echo-server.mjs');
    const port = /port (\d+)/.exec(await example.next())![1]!;
    expect((await run('nc', { args: ['-N', '127.0.0.1', port], input: 'hello' })).stdout).toBe(
      'hello',
    );
    await resetConnection(port);
    const idle = connect(Number(port), '127.0.0.1').on('error', () => undefined);
    expect(await ask(idle, 'still there')).toBe('still there');
    example.kill('SIGINT');
    expect(await example.next()).toBe('stopped');
    expect(await example.end()).toBe(0);
    idle.destroy();
  });

  it('unix-log-server.mjs prints each message with its priority and the pid of its sender', async () => {
    const path = shortSocketPath();
    const example = start('unix-log-server.mjs', [path]);
    expect(await example.next()).toBe('ready');
    const client = startPython(`
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(${JSON.stringify(path)})
s.send(b'<11>disk on fire\\n'); s.send(b'no priority'); hear()`);
    expect(await example.next()).toBe(`err from process ${client.pid}: disk on fire`);
    expect(await example.next()).toBe(`notice from process ${client.pid}: no priority`);
    await client.end();
    const socat = await run('socat', {
      args: ['-u', '-', `UNIX-SENDTO:${path}`],
      input: '<14>through socat',
    });
    expect(socat.code).toBe(0);
    expect(await example.next()).toMatch(/^info from process \d+: through socat$/);
    example.kill('SIGTERM');
    expect(await example.end()).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  it('fd-passing.mjs gives connections to its workers in turn, and survives a reset', async () => {
    const example = start('fd-passing.mjs', ['2']);
    const [, port] = /port (\d+) for 2 workers/.exec(await example.next())!;
    await resetConnection(port!);
    const pids = new Set<string>();
    for (let i = 0; i < 6; i++) {
      const client = connect(Number(port), '127.0.0.1');
      const [, name, pid] = /^hello (\w+), this is process (\d+)/.exec(
        await ask(client, `client${i}`),
      )!;
      expect(name).toBe(`client${i}`);
      pids.add(pid!);
      client.destroy();
    }
    expect(pids.size).toBe(2);
    example.kill('SIGTERM');
    expect(await example.end()).toBe(0);
    expect(example.stderr()).toBe('');
  });

  it('restart-without-downtime.mjs refuses no connection, and ends after the last', async () => {
    const example = start('restart-without-downtime.mjs');
    const [, old, port] = /process (\d+) serves on port (\d+)/.exec(await example.next())!;
    await resetConnection(port!);
    const before = connect(Number(port), '127.0.0.1');
    expect(await ask(before, 'first')).toBe(`${old!} first`);
    // A client opens one connection after another, during the whole restart.
    const knocking = startPython(`
failures = []; stop = []
def knock():
    while not stop:
        try: s = socket.create_connection(('127.0.0.1', ${port!})); s.sendall(b'x'); assert s.recv(100); s.close()
        except Exception as error: failures.append(repr(error))
t = threading.Thread(target=knock); t.start(); say('knocking'); hear(); stop.append(1); t.join(); say(failures)`);
    await knocking.hear();
    example.kill('SIGHUP');
    const [, successor, same] = /process (\d+) serves on port (\d+)/.exec(await example.next())!;
    expect(same).toBe(port);
    expect(successor).not.toBe(old);
    // The old process serves its open connection, and accepts no other.
    let answer: string;
    do {
      const late = connect(Number(port), '127.0.0.1');
      answer = await ask(late, 'late');
      late.destroy();
    } while (!answer.startsWith(successor!));
    expect(await ask(before, 'second')).toBe(`${old!} second`);
    before.end();
    expect(await example.next()).toBe(`process ${old!} has ended`);
    expect(await example.end()).toBe(0);
    knocking.tell('stop');
    expect(await knocking.hear()).toEqual([]);
    await knocking.end();
    process.kill(Number(successor), 'SIGTERM');
    expect(await example.next()).toBe(`process ${successor!} has ended`);
  });

  it('timeouts.mjs answers a late client, and ends work that takes too long', async () => {
    expect(await runNode('examples/timeouts.mjs')).toEqual({
      code: 0,
      signal: null,
      stdout:
        'the server says: quick\nafter a pause, it says: too slow\nhalf a second was enough for several rounds; cut off: true\n',
      stderr: '',
    });
  });
});

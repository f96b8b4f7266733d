import { createServer, connect } from 'node:net';
import { once } from 'node:events';
import { existsSync, openSync, closeSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { childEnvironment, runCode } from './child';
import { expectNoLeaks, openFdCount, openFds } from './fds';
import { collectUntil } from './gc';
import { startPython } from './python';
import { abstractSocketName, shortSocketPath } from './socket-path';

expectNoLeaks();

describe('openFds', () => {
  it('shows an fd while it is open, and not after its close', () => {
    const before = openFdCount();
    const fd = openSync('package.json', 'r');
    expect(openFds().get(fd)).toMatch(/package\.json$|unknown/);
    expect(openFdCount()).toBe(before + 1);
    closeSync(fd);
    expect(openFdCount()).toBe(before);
  });
});

describe('shortSocketPath', () => {
  it('returns a new path that a Unix socket can be bound to', async () => {
    const path = shortSocketPath();
    expect(path).not.toBe(shortSocketPath());
    expect(path.length).toBeLessThan(60);
    expect(existsSync(path)).toBe(false);
    const server = createServer().listen(path);
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    expect(abstractSocketName()).not.toBe(abstractSocketName());
  });
});

describe('collectUntil', () => {
  it('waits for a finalizer, and fails for an object that is still held', async () => {
    let collected = 0;
    const registry = new FinalizationRegistry<number>((n) => (collected += n));
    (() => {
      registry.register({}, 1);
    })();
    await collectUntil(() => collected === 1);
    const held = {};
    const reference = new WeakRef(held);
    await expect(collectUntil(() => reference.deref() === undefined)).rejects.toThrow(
      '100 collections',
    );
    expect(held).toBeDefined();
  });
});

describe('runCode', () => {
  it('returns exit status, signal and output', async () => {
    const failed = await runCode(
      'process.stdout.write("out"); process.stderr.write("err"); process.exit(3)',
    );
    expect(failed).toEqual({ code: 3, signal: null, stdout: 'out', stderr: 'err' });
    const killed = await runCode('process.kill(process.pid, "SIGKILL")');
    expect(killed).toMatchObject({ code: null, signal: 'SIGKILL' });
  });

  it('passes input, environment and flags, but not the variables of the test runner', async () => {
    const { stdout } = await runCode(
      `let text = ''; for await (const part of process.stdin) text += part;
       console.log(JSON.stringify([text, process.env.SPECIAL, process.env.VITEST, typeof gc]))`,
      { input: 'hello', env: { SPECIAL: 'yes' }, execArgv: ['--expose-gc'] },
    );
    expect(JSON.parse(stdout)).toEqual(['hello', 'yes', null, 'function']);
    expect(childEnvironment({ PATH: undefined })).not.toHaveProperty('PATH');
  });

  it('kills and reports a child that does not end in time', async () => {
    await expect(
      runCode('console.log("stuck"); setInterval(() => {}, 1000)', { timeout: 1_000 }),
    ).rejects.toThrow(/did not end[^]*stuck/);
  });
});

describe('startPython', () => {
  it('exchanges values and bytes with a peer', async () => {
    const peer = startPython(`
listener = socket.create_server(('127.0.0.1', 0))
say(listener.getsockname()[1])
connection, _ = listener.accept()
connection.sendall(bytes(hear()))
`);
    const port = await peer.hear<number>();
    const client = connect(port, '127.0.0.1');
    peer.tell([1, 2, 3]);
    const [data] = (await once(client, 'data')) as [Buffer];
    expect([...data]).toEqual([1, 2, 3]);
    client.destroy();
    await peer.end();
  });

  it('passes fds to the peer', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
    const peer = startPython('say(socket.socket(fileno=3).getsockname()[1])', { fds: [fd] });
    expect(await peer.hear()).toBe(port);
    await peer.end();
    server.close();
    await once(server, 'close');
  });

  it('rejects with the traceback if the peer fails', async () => {
    const peer = startPython('say(1); raise ValueError("planted")');
    expect(await peer.hear()).toBe(1);
    await expect(peer.hear()).rejects.toThrow('planted');
    await expect(peer.end()).rejects.toThrow('planted');
  });

  it('rejects if the peer says nothing in time', async () => {
    await using peer = startPython('hear()');
    await expect(peer.hear(200)).rejects.toThrow('no answer');
  });
});

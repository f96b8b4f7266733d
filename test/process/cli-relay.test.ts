import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { connect, createServer, type Socket as NetSocket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { constants, Socket } from '#lib/index';
import { run } from '../support/child';
import { startPython } from '../support/python';
import { shortSocketPath } from '../support/socket-path';
import { sockscope, start } from './cli-kit';

/**
 * A Python server that receives until the end of the stream, and answers only then. So it answers
 * only if the relay passes the half-close on.
 */
const answering = (kind: 'tcp' | 'unix', path: string, connections = 1): string => `
l = socket.${kind === 'tcp' ? "create_server(('127.0.0.1', 0))" : 'socket(socket.AF_UNIX)'}
${kind === 'tcp' ? '' : `l.bind(${JSON.stringify(path)}); l.listen()`}
say(${kind === 'tcp' ? 'l.getsockname()[1]' : '0'})
for _ in range(${connections}):
    c, _ = l.accept(); data = b''.join(iter(lambda: c.recv(65536), b''))
    c.sendall(b'got ' + data[:20] + b' %d' % len(data)); c.close()`;

describe('sockscope relay', () => {
  it('passes half-closes on between TCP and Unix, for many connections', async () => {
    const path = shortSocketPath();
    const server = startPython(answering('unix', path, 3));
    await server.hear();
    const relay = start(['relay', '--verbose', 'tcp:127.0.0.1:0', `unix:${path}`]);
    const [, port] = await relay.find(/listening on tcp:127\.0\.0\.1:(\d+)/);
    for (const text of ['one', 'two']) {
      const { code, stdout } = await run('nc', { args: ['-N', '127.0.0.1', port!], input: text });
      expect([code, stdout]).toEqual([0, `got ${text} 3`]);
    }
    const big = 'x'.repeat(3_000_000);
    const socat = await run('socat', { args: ['-t10', '-', `TCP:127.0.0.1:${port!}`], input: big });
    expect(socat.stdout).toBe(`got ${'x'.repeat(20)} ${big.length}`);
    await server.end();
    // Without a server, the relay prints the error and goes on.
    const orphan = connect(Number(port), '127.0.0.1');
    orphan.resume();
    await once(orphan, 'close');
    await relay.find(/sockscope: connect (ECONNREFUSED|ENOENT)/);
    expect(await relay.end('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(relay.stderr().match(/connection ended/g)).toHaveLength(3);
  });

  it('passes on the half-close of the server, while the client goes on', async () => {
    const server = createServer({ allowHalfOpen: true }, (socket: NetSocket) => {
      socket.end('first word');
      let heard = '';
      socket.on('data', (data) => (heard += String(data)));
      socket.on('end', () => server.emit('heard', heard));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const path = shortSocketPath();
    const relay = start(['relay', `unix:${path}`, `tcp:127.0.0.1:${port}`]);
    await relay.find(/listening on unix:/);
    const client = connect({ path, allowHalfOpen: true });
    client.resume();
    await once(client, 'end');
    const heard = once(server, 'heard');
    client.end('last word');
    expect((await heard)[0]).toBe('last word');
    await relay.end('SIGINT');
    server.close();
  });

  it('relays standard input and output', async () => {
    const server = startPython(answering('tcp', ''));
    const port = await server.hear<number>();
    const { code, stdout, stderr } = await sockscope(['relay', 'stdio', `tcp:127.0.0.1:${port}`], {
      input: 'from stdin',
    });
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'got from stdin 10', stderr: '' });
    await server.end();
  });

  it('ends the pipe of standard output while standard input goes on', async () => {
    const server = startPython(`
l = socket.create_server(('127.0.0.1', 0)); say(l.getsockname()[1]); c, _ = l.accept()
c.sendall(b'all I have'); c.shutdown(socket.SHUT_WR); say(b''.join(iter(lambda: c.recv(100), b'')).decode())`);
    const port = await server.hear<number>();
    // Python makes real pipes. Those of child_process are sockets.
    const outer = startPython(
      `
import subprocess
p = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
say(p.stdout.read().decode()); p.stdin.write(b'and I more'); p.stdin.close(); say(p.wait())`,
      { args: [process.execPath, 'dist/cli/main.js', 'relay', 'stdio', `tcp:127.0.0.1:${port}`] },
    );
    expect(await outer.hear()).toBe('all I have');
    expect(await server.hear()).toBe('and I more');
    expect(await outer.hear()).toBe(0);
    await outer.end();
    await server.end();
  });

  it('relays the first connection to standard input and output, and no other', async () => {
    const relay = start(['relay', 'tcp:127.0.0.1:0', '-']);
    const [, port] = await relay.find(/tcp:127\.0\.0\.1:(\d+)/);
    const client = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
    client.write('hello');
    await relay.find(/hello/);
    relay.child.stdin?.end('good bye');
    expect(String(((await once(client, 'data')) as [Buffer])[0])).toBe('good bye');
    client.end();
    expect(await relay.end()).toEqual({ code: 0, signal: null });
    expect(relay.stdout()).toBe('hello');
  });

  it('relays inherited fds: a listener, and a connection', async () => {
    const path = shortSocketPath();
    const server = startPython(answering('unix', path, 2));
    await server.hear();
    const listener = Socket.create(constants['AF_INET']!, constants['SOCK_STREAM']!);
    listener.bind({ address: '127.0.0.1', port: 0, family: 'IPv4' });
    listener.listen(5);
    const { port } = listener.localAddress() as { port: number };
    const many = start(['relay', 'fd:3', `unix:${path}`], [listener.fd]);
    await many.find(/listening on fd:3/);
    listener.close();
    const { stdout } = await run('nc', {
      args: ['-N', '127.0.0.1', String(port)],
      input: 'listened',
    });
    expect(stdout).toBe('got listened 8');
    expect(await many.end('SIGINT')).toEqual({ code: 0, signal: null });

    const [left, right] = Socket.pair();
    const once3 = start(['relay', 'fd:3', `unix:${path}`], [right.fd]);
    right.close();
    left.send(Buffer.from('connected'));
    left.shutdown('write');
    const buffer = Buffer.alloc(100);
    await left.readable();
    expect(buffer.toString('utf8', 0, left.recv(buffer)!)).toBe('got connected 9');
    expect(await once3.end()).toEqual({ code: 0, signal: null });
    closeSync(left.detach());
    await server.end();
  });

  it('prints what it cannot reach, with status 1 and without a stack', async () => {
    const { code, stderr } = await sockscope(['relay', 'stdio', 'unix:/nonexistent/socket']);
    expect(code).toBe(1);
    expect(stderr).toBe(
      "sockscope: connect ENOENT '/nonexistent/socket': no such file or directory\n",
    );
    const notOpen = await sockscope(['relay', 'fd:99', 'stdio']);
    expect(notOpen.code).toBe(1);
    expect(notOpen.stderr).toContain('EBADF');
  });
});

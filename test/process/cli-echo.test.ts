import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { run } from '../support/child';
import { startPython } from '../support/python';
import { shortSocketPath } from '../support/socket-path';
import { sockscope, start } from './cli-kit';

describe('sockscope echo', () => {
  it('serves all four kinds at once, and ends with its totals', async () => {
    const [stream, datagram] = [shortSocketPath(), shortSocketPath()];
    const echo = start([
      'echo',
      '--quiet',
      'tcp:127.0.0.1:0',
      'tcp:[::1]:0',
      `unix:${stream}`,
      'udp:127.0.0.1:0',
      `unixgram:${datagram}`,
    ]);
    const [, tcp] = await echo.find(/^listening on tcp:127\.0\.0\.1:(\d+)$/m);
    const [, tcp6] = await echo.find(/^listening on tcp:\[::1\]:(\d+)$/m);
    const [, udp] = await echo.find(/^listening on udp:127\.0\.0\.1:(\d+)$/m);
    await echo.find(/^listening on unixgram:/m);
    expect(Number(tcp)).toBeGreaterThan(0);

    const netcat = await run('nc', { args: ['-N', '127.0.0.1', tcp!], input: 'through nc' });
    expect(netcat).toMatchObject({ code: 0, stdout: 'through nc' });
    const socat = await run('socat', {
      args: ['-t5', '-', `UNIX-CONNECT:${stream}`],
      input: 'through socat',
    });
    expect(socat).toMatchObject({ code: 0, stdout: 'through socat' });
    const client = connect(Number(tcp6), '::1').end('through node:net');
    expect(String(((await once(client, 'data')) as [Buffer])[0])).toBe('through node:net');

    const dgram = createSocket('udp4');
    dgram.send('through node:dgram', Number(udp), '127.0.0.1');
    expect(String(((await once(dgram, 'message')) as [Buffer])[0])).toBe('through node:dgram');
    dgram.close();
    const python = startPython(`
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.settimeout(5)
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'no name to answer', ${JSON.stringify(datagram)})
s.bind(${JSON.stringify(shortSocketPath())}); s.sendto(b'through python', ${JSON.stringify(datagram)}); say(s.recv(100).decode())`);
    expect(await python.hear()).toBe('through python');
    await python.end();

    expect(await echo.end('SIGINT')).toEqual({ code: 0, signal: null });
    // 10 + 13 + 16 bytes on streams, 18 + 17 + 14 in datagrams.
    expect(echo.stderr()).toMatch(/^3 connections \(0 open\), 6 messages, 0\.0 MB\n$/);
    expect(existsSync(stream) || existsSync(datagram)).toBe(false);
  });

  it('gives open connections the grace time after SIGTERM, and accepts no more', async () => {
    const echo = start(['echo', '--grace', '20', 'tcp:127.0.0.1:0']);
    const [, port] = await echo.find(/tcp:127\.0\.0\.1:(\d+)/);
    const client = connect(Number(port), '127.0.0.1');
    client.write('one');
    await once(client, 'data');
    echo.child.kill('SIGTERM');
    // The listener is closed when connecting fails. No other event shows it.
    for (let refused = false; !refused;) {
      const late = connect(Number(port), '127.0.0.1');
      refused = await Promise.race([
        once(late, 'connect').then(() => false),
        once(late, 'error').then(() => true),
      ]).catch(() => true);
      late.destroy();
    }
    client.write('two');
    expect(String(((await once(client, 'data')) as [Buffer])[0])).toBe('two');
    client.end();
    expect(await echo.end()).toEqual({ code: 0, signal: null });
  });

  it('closes connections after the grace time, and ends at once at the second signal', async () => {
    const brief = start(['echo', '--quiet', '--grace', '0', 'tcp:127.0.0.1:0']);
    const [, port] = await brief.find(/tcp:127\.0\.0\.1:(\d+)/);
    const client = connect(Number(port), '127.0.0.1');
    client.write('x');
    await once(client, 'data');
    const closed = once(client, 'close');
    client.on('error', () => client.destroy());
    expect(await brief.end('SIGTERM')).toEqual({ code: 0, signal: null });
    client.resume();
    await closed;

    const stubborn = start(['echo', '--quiet', '--grace', '600', 'tcp:127.0.0.1:0']);
    const [, other] = await stubborn.find(/tcp:127\.0\.0\.1:(\d+)/);
    const holder = connect(Number(other), '127.0.0.1').on('error', () => undefined);
    holder.write('x');
    await once(holder, 'data');
    stubborn.child.kill('SIGINT');
    for (let refused = false; !refused;) {
      const late = connect(Number(other), '127.0.0.1');
      refused = await Promise.race([
        once(late, 'connect').then(() => false),
        once(late, 'error').then(() => true),
      ]).catch(() => true);
      late.destroy();
    }
    expect(await stubborn.end('SIGINT')).toEqual({ code: null, signal: 'SIGINT' });
    holder.destroy();
  });

  it('prints counters while it runs', async () => {
    const echo = start(['echo', 'tcp:127.0.0.1:0']);
    const [, port] = await echo.find(/tcp:127\.0\.0\.1:(\d+)/);
    await run('nc', { args: ['-N', '127.0.0.1', port!], input: 'count me' });
    await echo.find(/1 connections \(\d open\), 1 messages, 0\.0 MB; 1 messages\/s/);
    await echo.end('SIGINT');
  });

  it('prints an address that it cannot bind, with status 1 and without a stack', async () => {
    const path = shortSocketPath();
    const first = start(['echo', '--quiet', `unix:${path}`]);
    await first.find(/listening/);
    const second = await sockscope(['echo', 'tcp:127.0.0.1:0', `unix:${path}`]);
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/^sockscope: bind EADDRINUSE .*the file exists/);
    expect(second.stderr).not.toMatch(/\n {4}at /);
    expect(existsSync(path)).toBe(true);
    await first.end('SIGTERM');
    expect((await sockscope(['echo', 'tcp:192.0.2.1:0'])).stderr).toContain('EADDRNOTAVAIL');
  });
});

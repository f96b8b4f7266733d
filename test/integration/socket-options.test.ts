import type { Socket } from '#lib/contract/socket';
import { describe, expect, it } from 'vitest';
import { SocketOptions } from '#lib/socket/options';
import { expectNoLeaks } from '../support/fds';
import * as kit from '../unit/socket/kit';
import { startPeer } from './socket-python';

expectNoLeaks();

/**
 * What python's getsockopt returns for the same socket, which python inherits: integers by name, or
 * a structure of the given number of bytes.
 */
async function asPythonSees(
  socket: Socket,
  options: readonly (readonly [level: string, option: string, length?: number])[],
): Promise<unknown[]> {
  const peer = startPeer(
    `
us = socket.socket(fileno=3)
for level, option, *length in hear():
    value = us.getsockopt(getattr(socket, level), getattr(socket, option), *length)
    say(list(value) if length else value)
`,
    { fds: [socket.fd] },
  );
  peer.tell(options);
  const values: unknown[] = [];
  for (const _ of options) values.push(await peer.hear());
  await peer.end();
  return values;
}

describe('SocketOptions', () => {
  it('sets what python sees on a live connection', async () => {
    const [client] = await kit.tcpPair();
    const options = new SocketOptions(client);
    options.noDelay = true;
    options.keepAlive = { idle: 61_000, interval: 7000, count: 4 };
    options.linger = 3000;
    options.sendBufferSize = 50_000;
    options.receiveBufferSize = 60_000;
    options.userTimeout = 1234;
    expect(
      await asPythonSees(client, [
        ['IPPROTO_TCP', 'TCP_NODELAY'],
        ['SOL_SOCKET', 'SO_KEEPALIVE'],
        ['IPPROTO_TCP', 'TCP_KEEPIDLE'],
        ['IPPROTO_TCP', 'TCP_KEEPINTVL'],
        ['IPPROTO_TCP', 'TCP_KEEPCNT'],
        ['SOL_SOCKET', 'SO_LINGER', 8],
        ['SOL_SOCKET', 'SO_SNDBUF'],
        ['SOL_SOCKET', 'SO_RCVBUF'],
        ['IPPROTO_TCP', 'TCP_USER_TIMEOUT'],
      ]),
    ).toEqual([1, 1, 61, 7, 4, [1, 0, 0, 0, 3, 0, 0, 0], 100_000, 120_000, 1234]);
    expect(client.getsockopt(kit.SOL_SOCKET, kit.SO_ERROR)).toBe(0);
  });

  it('turns off the options that were on, and python sees the change', async () => {
    const [client] = await kit.tcpPair();
    const options = new SocketOptions(client);
    options.noDelay = true;
    options.keepAlive = true;
    options.linger = 0;
    const asked = [['IPPROTO_TCP', 'TCP_NODELAY'], ['SOL_SOCKET', 'SO_KEEPALIVE'], ['SOL_SOCKET', 'SO_LINGER', 8]] as const; // prettier-ignore
    expect(await asPythonSees(client, asked)).toEqual([1, 1, [1, 0, 0, 0, 0, 0, 0, 0]]);
    options.noDelay = false;
    options.keepAlive = null;
    options.linger = null;
    expect(await asPythonSees(client, asked)).toEqual([0, 0, [0, 0, 0, 0, 0, 0, 0, 0]]);
  });

  it('reads what python has set', async () => {
    const { socket: listener, address } = kit.listening();
    const peer = startPeer(`
connection = make(socket.AF_INET, socket.SOCK_STREAM)
connection.connect(tuple(hear()))
us = socket.socket(fileno=3)
us.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
us.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
us.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
us.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 9))
us.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 4321)
say('set')
hear()
`, { fds: [listener.fd] }); // prettier-ignore
    peer.tell([(address as { address: string }).address, (address as { port: number }).port]);
    await peer.hear();
    const options = new SocketOptions(listener);
    expect(options.noDelay).toBe(true);
    expect(options.keepAlive).toMatchObject({ idle: 77_000 });
    expect(options.linger).toBe(9000);
    expect(options.userTimeout).toBe(4321);
    await peer.end();
  });
});

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach } from 'vitest';

const open: Socket[] = [];

/**
 * Both ends of a TCP connection, as sockets of node:net that allow half-open connections. They are
 * destroyed after the test.
 */
export async function connectedPair(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  });
  const [[accepted]] = await Promise.all([
    once(server, 'connection') as Promise<[Socket]>,
    once(client, 'connect'),
  ]);
  server.close();
  for (const socket of [client, accepted]) {
    socket.on('error', () => undefined);
    open.push(socket);
  }
  return [client, accepted];
}

afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';

/**
 * The same echo servers on node:net and node:dgram, as they are usually written there: `data` to
 * `write`. Node.js has no Unix datagrams.
 * @param {string} folder For the Unix socket.
 * @param {(addresses: import('./kinds.mjs').Addresses) => void} onReady
 * @param {AbortSignal} signal
 */
export async function serveNode(folder, onReady, signal) {
  const path = join(folder, 'node.stream');
  const echo = (/** @type {import('node:net').Socket} */ socket) => {
    socket.setNoDelay(true);
    socket.on('data', (data) => socket.write(data));
    // A client may reset its connection. That ends the connection, not the server.
    socket.on('error', () => socket.destroy());
  };
  const tcp = createServer(echo).listen(0, '127.0.0.1');
  const unix = createServer(echo).listen(path);
  const udp = createSocket('udp4');
  udp.on('message', (data, { address, port }) => udp.send(data, port, address));
  udp.bind(0, '127.0.0.1');
  await Promise.all([once(tcp, 'listening'), once(unix, 'listening'), once(udp, 'listening')]);
  onReady({
    tcp: /** @type {import('node:net').AddressInfo} */ (tcp.address()).port,
    udp: udp.address().port,
    unix: path,
  });
  if (!signal.aborted) await once(signal, 'abort');
  for (const server of [tcp, unix, udp]) server.close();
}

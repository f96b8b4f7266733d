import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';

/**
 * The same echo servers on node:net and node:dgram, as one writes them there: `data` to `write`.
 * Unix datagrams they do not have.
 */
export async function serveNode(folder, onReady, signal) {
  const path = join(folder, 'j.s');
  const echo = (socket) => {
    socket.setNoDelay(true);
    socket.on('data', (data) => socket.write(data));
    // A client that goes away in the middle.
    socket.on('error', () => socket.destroy());
  };
  const tcp = createServer(echo).listen(0, '127.0.0.1');
  const unix = createServer(echo).listen(path);
  const udp = createSocket('udp4');
  udp.on('message', (data, { address, port }) => {
    udp.send(data, port, address);
  });
  udp.bind(0, '127.0.0.1');
  await Promise.all([once(tcp, 'listening'), once(unix, 'listening'), once(udp, 'listening')]);
  onReady({ tcp: tcp.address().port, udp: udp.address().port, unix: path });
  if (!signal.aborted) await once(signal, 'abort');
  tcp.close();
  unix.close();
  udp.close();
}

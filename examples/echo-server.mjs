// An echo server: `node echo-server.mjs [PORT]`. Each connection is a task. Ctrl-C ends all tasks.
import { newBuiltinBackend, SocketAttribute } from 'sockscope';

const backend = newBuiltinBackend('native');
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stop.abort());

/** @param {import('sockscope').AsyncStreamTransport} connection */
async function echo(connection) {
  // The kernel writes into this memory and reads from it, with no copy in between.
  const buffer = new Uint8Array(65536);
  for (
    let size = await connection.recvInto(buffer);
    size > 0;
    size = await connection.recvInto(buffer)
  ) {
    await connection.sendAll(buffer.subarray(0, size)); // waits while the client does not receive
  }
}

await backend.bootstrap(() =>
  backend.openCancelScope({ signal: stop.signal }).run(async () => {
    const [listener] = await backend.createTcpListeners('127.0.0.1', Number(process.argv[2] ?? 0));
    console.log(`listening on port ${listener.extra(SocketAttribute.localAddress)['port']}`);
    try {
      // A client that goes away (ECONNRESET, EPIPE …) ends its connection, and not the server.
      await listener.serve(echo, { closeAfter: true, onPeerError: 'ignore' });
    } finally {
      await listener.aclose();
    }
  }),
);
console.log('stopped');

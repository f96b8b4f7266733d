// Timeouts are scopes: the server gives each request 200 ms, and a client gives all of its work
// 500 ms. A cancelled receive has consumed nothing, so a timeout loses no data.
import { newBuiltinBackend, SocketAttribute, TimeoutError } from 'sockscope';

const backend = newBuiltinBackend('native');

/** @param {import('sockscope').AsyncStreamTransport} connection */
async function serve(connection) {
  try {
    for (;;) {
      const request = await backend.timeout(200).run(() => connection.recv(1000));
      if (request.length === 0) break;
      await connection.sendAll(request);
    }
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error;
    await connection.sendAll(Buffer.from('too slow'));
  }
}

await backend.bootstrap(async () => {
  const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
  const port = listener.extra(SocketAttribute.localAddress)['port'];
  await backend.createTaskGroup().run(async (group) => {
    // A client that goes away (ECONNRESET, EPIPE …) ends its connection, and not the server.
    group.startSoon(() => listener.serve(serve, { closeAfter: true, onPeerError: 'ignore' }));

    const client = await backend.createTcpConnection('127.0.0.1', port);
    await client.sendAll(Buffer.from('quick'));
    console.log('the server says:', Buffer.from(await client.recv(100)).toString());
    console.log('after a pause, it says:', Buffer.from(await client.recv(100)).toString());
    await client.aclose();

    const scope = backend.moveOnAfter(500);
    let rounds = 0;
    await scope.run(async () => {
      const other = await backend.createTcpConnection('127.0.0.1', port);
      try {
        for (; ; rounds++) {
          await other.sendAll(Buffer.from('again'));
          await other.recv(100);
          await backend.sleep(10);
        }
      } finally {
        await other.aclose();
      }
    });
    const count = rounds > 1 ? 'several' : rounds;
    const isCutOff = scope.cancelledCaught();
    console.log(`half a second was enough for ${count} rounds; cut off: ${isCutOff}`);
    group.cancelScope.cancel();
  });
  await listener.aclose();
});

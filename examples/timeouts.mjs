// Timeouts, by scopes: the server gives each request 200 ms, a client gives the whole of its work
// 500 ms. What a scope cancels has had no effect, so whoever is late loses no data that it could
// have had.
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
  await connection.aclose();
}

await backend.bootstrap(async () => {
  const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
  const port = listener.extra(SocketAttribute.localAddress)['port'];
  await backend.createTaskGroup().run(async (group) => {
    group.startSoon(() => listener.serve(serve));

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
    console.log(
      `half a second was enough for ${rounds > 1 ? 'several' : rounds} rounds; cut off: ${scope.cancelledCaught()}`,
    );
    group.cancelScope.cancel();
  });
  await listener.aclose();
});

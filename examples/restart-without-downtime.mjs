// A server that is replaced while it runs: `node restart-without-downtime.mjs`, then `kill -HUP`
// its process. The successor inherits the listening socket by systemd's convention (LISTEN_FDS), so
// the server also works under a systemd socket unit. No connection is refused during the change,
// and the old process serves its open connections to their end.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { newBuiltinBackend, SocketAttribute } from 'sockscope';

const backend = newBuiltinBackend('native');

/** @param {import('sockscope').AsyncStreamTransport} connection */
async function answer(connection) {
  for (let data; (data = await connection.recv(1000)).length > 0;)
    await connection.sendAll(Buffer.from(`${process.pid} ${Buffer.from(data)}`));
}

/**
 * Starts this program again, with the listener as fd 3, and waits until it serves.
 * @param {number} fd
 */
async function startSuccessor(fd) {
  // LISTEN_PID must be the successor's pid. The shell knows it, because exec keeps the process.
  const command = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"';
  const successor = spawn('sh', ['-c', command, process.execPath, ...process.argv.slice(1)], {
    stdio: ['ignore', 'inherit', 'inherit', fd, 'ipc'],
  });
  await backend.waitFor(once(successor, 'message'));
  successor.disconnect();
  successor.unref();
}

await backend.bootstrap(async () => {
  const [inherited] = await backend.listenersFromEnvironment();
  const [created] = inherited === undefined ? await backend.createTcpListeners('127.0.0.1', 0) : [];
  const listener =
    /** @type {import('sockscope').AsyncListener<import('sockscope').AsyncStreamTransport>} */ (
      inherited?.listener ?? created
    );
  const { fd } = listener.extra(SocketAttribute.socket);
  console.log(
    `process ${process.pid} serves on port ${listener.extra(SocketAttribute.localAddress)['port']}`,
  );
  process.send?.('serving');

  const accepting = backend.openCancelScope();
  process.once('SIGHUP', () => void startSuccessor(fd).then(() => accepting.cancel()));
  process.once('SIGTERM', () => accepting.cancel());
  // Accepting ends with its scope. The connections are tasks of the outer group, which ends when
  // the last of them has ended.
  await backend.createTaskGroup().run(async (connections) => {
    // A client that goes away (ECONNRESET, EPIPE …) ends its connection, and not the server.
    await accepting.run(() =>
      listener.serve(answer, { group: connections, closeAfter: true, onPeerError: 'ignore' }),
    );
    await listener.aclose();
  });
  console.log(`process ${process.pid} has ended`);
});

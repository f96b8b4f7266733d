// A server that is replaced while it runs: `node restart-without-downtime.mjs`, then `kill -HUP`
// its process. The successor inherits the listening socket, by systemd's convention (LISTEN_FDS),
// so that this also works under a systemd socket unit. No connection is refused meanwhile, and
// those that are open are served to their end.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { newBuiltinBackend, SocketAttribute } from 'sockscope';

const backend = newBuiltinBackend('native');

/** @param {import('sockscope').AsyncStreamTransport} connection */
async function answer(connection) {
  for (
    let data = await connection.recv(1000);
    data.length > 0;
    data = await connection.recv(1000)
  ) {
    await connection.sendAll(Buffer.from(`${process.pid} ${Buffer.from(data)}`));
  }
  await connection.aclose();
}

/**
 * Starts this program again, with the listener as its fd 3, and waits until it serves. @param
 * {number} fd
 */
async function startSuccessor(fd) {
  // LISTEN_PID is the successor's own: the shell knows it, and gives its process over.
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
  // Accepting ends with its scope. The connections belong to the group around it, which ends when
  // they have.
  await backend.createTaskGroup().run(async (connections) => {
    await accepting.run(() => listener.serve(answer, connections));
    await listener.aclose();
  });
  console.log(`process ${process.pid} has ended`);
});

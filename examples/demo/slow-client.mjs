import { once } from 'node:events';
import { connect } from 'node:net';
import { SocketAttribute, TimeoutError } from 'sockscope';

const DEADLINE_MS = 300;

/**
 * A server gives each request 300 ms. A client connects and sends nothing.
 * @param {import('sockscope').AsyncBackend} backend
 * @returns {Promise<string>} What the server did.
 */
export async function cancelSlowClient(backend) {
  const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
  const port = listener.extra(SocketAttribute.localAddress)['port'];
  let outcome = 'the client was not served';
  try {
    await backend.timeout(5000).run(() =>
      backend.createTaskGroup().run(async (group) => {
        group.startSoon(() =>
          listener.serve(async (connection) => {
            const start = backend.currentTime();
            try {
              await backend.timeout(DEADLINE_MS).run(() => connection.recv(1024));
              outcome = 'the receive ended without a timeout';
            } catch (error) {
              if (!(error instanceof TimeoutError)) throw error;
              outcome = `cancelled after ${(backend.currentTime() - start).toFixed(0)} ms`;
            }
            await connection.aclose();
          }),
        );
        const client = connect(port, '127.0.0.1');
        client.resume();
        await backend.waitFor(once(client, 'close'));
        group.cancelScope.cancel();
      }),
    );
  } finally {
    await listener.aclose();
  }
  if (!outcome.startsWith('cancelled')) throw new Error(`expected a timeout: ${outcome}`);
  return `${outcome}, and its connection closed`;
}

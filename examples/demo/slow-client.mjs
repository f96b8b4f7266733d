import { once } from 'node:events';
import { connect } from 'node:net';
import { SocketAttribute, TimeoutError } from 'sockscope';

const DEADLINE_MS = 300;

/** A server gives each request 300 ms. A node:net client connects and sends nothing. */
export async function cancelSlowClient(backend) {
  const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
  if (listener === undefined) throw new Error('127.0.0.1 gave no listener');
  const { port } = listener.extra(SocketAttribute.localAddress);
  let outcome = '';
  try {
    await backend.timeout(5000).run(() =>
      backend.createTaskGroup().run(async (group) => {
        group.startSoon(() =>
          listener.serve(async (connection) => {
            const start = backend.currentTime();
            try {
              await backend.timeout(DEADLINE_MS).run(() => connection.recv(1024));
              outcome = 'sent something after all';
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
  if (!outcome.startsWith('cancelled'))
    throw new Error(`the slow client was not cancelled: ${outcome}`);
  return `${outcome}, and its connection closed`;
}

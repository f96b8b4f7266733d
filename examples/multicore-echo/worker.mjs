// A worker thread of main.mjs. It listens on the shared port, and takes over the connections that
// the main thread accepts.

import { parentPort, threadId, workerData } from 'node:worker_threads';
import { newBuiltinBackend } from 'sockscope';

const GRACE_MS = 500;

const { port, chaos } = workerData;
const backend = newBuiltinBackend('native');
let open = 0;

function crash() {
  throw new Error('crashed on demand');
}

async function echo(connection) {
  const buffer = new Uint8Array(65536);
  open++;
  try {
    for (
      let size = await connection.recvInto(buffer);
      size > 0;
      size = await connection.recvInto(buffer)
    ) {
      const data = buffer.subarray(0, size);
      // Thrown outside of every task, as by a defect of the program.
      if (chaos && Buffer.from(data).toString() === '!crash') process.nextTick(crash);
      await connection.sendAll(data);
    }
  } catch (error) {
    // The client has gone (ECONNRESET, EPIPE …). That ends its connection, not the worker.
    if (error.syscall === undefined) throw error;
  } finally {
    open--;
    await connection.aclose();
  }
}

await backend.bootstrap(async () => {
  const [listener] = await backend.createTcpListeners('127.0.0.1', port, { reusePort: true });
  await backend.createTaskGroup().run(async (connections) => {
    const accepting = backend.openCancelScope();
    parentPort.on('message', ({ type, fd }) => {
      if (type === 'stop') {
        accepting.cancel();
        return;
      }
      connections.startSoon(async () => {
        const connection = await backend.wrapStreamSocket(fd);
        parentPort.postMessage({ type: 'taken', fd });
        await echo(connection);
      });
    });
    parentPort.postMessage({ type: 'ready', threadId });
    await accepting.run(() => listener.serve(echo, connections));
    await listener.aclose();
    // Open connections have this time to end by themselves.
    await backend.moveOnAfter(GRACE_MS).run(async () => {
      while (open > 0) await backend.sleep(10);
    });
    connections.cancelScope.cancel();
  });
});
parentPort.close();

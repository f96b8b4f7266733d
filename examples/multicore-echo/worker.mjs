// One of the threads of main.mjs: it listens by itself, and takes over what it is handed.

import { parentPort, threadId, workerData } from 'node:worker_threads';
import { newBuiltinBackend } from 'sockscope';

const GRACE_MS = 500;

const { port, chaos } = workerData;
const backend = newBuiltinBackend('native');
let open = 0;

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
      // Out of every task's reach, as a defect of the program would be.
      if (chaos && Buffer.from(data).toString() === '!crash') process.nextTick(() => { throw new Error('crashed on demand'); }); // prettier-ignore
      await connection.sendAll(data);
    }
  } catch (error) {
    // A peer that goes away is no failure of the server.
    if (error.errno === undefined) throw error;
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
    // Open connections may end by themselves for a while.
    await backend.moveOnAfter(GRACE_MS).run(async () => {
      while (open > 0) await backend.sleep(10);
    });
    connections.cancelScope.cancel();
  });
});
parentPort.close();

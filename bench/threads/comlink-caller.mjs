// The worker's side of the comlink benchmark: calls an object of the main thread.
import { parentPort, workerData } from 'node:worker_threads';
import { timed } from './call.mjs';

// The MessagePort of Node.js has the browser's addEventListener: no adapter is needed.
const { wrap } = await import(workerData.comlink);

parentPort.once('message', async ({ port, calls }) => {
  const remote = wrap(port);
  parentPort.postMessage(await timed(calls, () => remote.add(1, 2)));
  port.close();
  parentPort.close();
});

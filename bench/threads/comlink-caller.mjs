// The worker's side of the same for comlink: an object of the main thread, called from here.
import { performance } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';

// Node's own MessagePort has the browser's addEventListener: no adapter is needed.
const { wrap } = await import(workerData.comlink);

parentPort.once('message', async ({ port, calls }) => {
  const remote = wrap(port);
  for (let i = 0; i < calls / 10; i++) await remote.add(1, 2);
  const start = performance.now();
  for (let i = 0; i < calls; i++) {
    const sum = await remote.add(1, 2);
    if (sum !== 3) throw new Error(`3 expected, not ${sum}`);
  }
  parentPort.postMessage(((performance.now() - start) * 1000) / calls);
  port.close();
  parentPort.close();
});

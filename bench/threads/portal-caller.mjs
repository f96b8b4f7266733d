// The worker's side of the portal benchmark: makes calls, and tells how long each kind took.
import { performance } from 'node:perf_hooks';
import { parentPort } from 'node:worker_threads';
import { connectThreadsPortal } from 'sockscope';

parentPort.once('message', async ({ handle, calls }) => {
  const portal = connectThreadsPortal(handle);
  const kinds = {
    'runSync (blocks)': () => portal.runSync('add', 1, 2),
    'runCoroutine (blocks)': () => portal.runCoroutine('addSoon', 1, 2),
    runSyncSoon: () => portal.runSyncSoon('add', 1, 2),
    runCoroutineSoon: () => portal.runCoroutineSoon('addSoon', 1, 2),
  };
  const result = {};
  for (const [kind, call] of Object.entries(kinds)) {
    for (let i = 0; i < calls / 10; i++) await call();
    const start = performance.now();
    for (let i = 0; i < calls; i++) {
      const sum = await call();
      if (sum !== 3) throw new Error(`3 expected, not ${sum}`);
    }
    result[kind] = ((performance.now() - start) * 1000) / calls;
  }
  parentPort.postMessage(result);
  parentPort.close();
});

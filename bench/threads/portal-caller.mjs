// The worker's side of the portal benchmark: makes calls, and sends how long each kind took.
import { parentPort } from 'node:worker_threads';
import { connectThreadsPortal } from 'sockscope';
import { timed } from './call.mjs';

parentPort.once('message', async ({ handle, calls }) => {
  const portal = connectThreadsPortal(handle);
  const kinds = {
    'runSync (blocks)': () => portal.runSync('add', 1, 2),
    'runCoroutine (blocks)': () => portal.runCoroutine('addSoon', 1, 2),
    runSyncSoon: () => portal.runSyncSoon('add', 1, 2),
    runCoroutineSoon: () => portal.runCoroutineSoon('addSoon', 1, 2),
  };
  const result = {};
  for (const [kind, call] of Object.entries(kinds)) result[kind] = await timed(calls, call);
  parentPort.postMessage(result);
  parentPort.close();
});

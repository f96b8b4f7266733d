// A child process that makes this library's calls between threads, and answers with microseconds
// per call of each kind.
import { Worker } from 'node:worker_threads';
import { newBuiltinBackend } from 'sockscope';
import { answerRequests } from '../child.mjs';
import { ask, timed } from './call.mjs';

const functions = new URL('./functions.mjs', import.meta.url);
const backend = newBuiltinBackend('native', { threads: { maxThreads: 1, idleTimeout: Infinity } });

/** @param {{ calls: number }} request */
function portal({ calls }) {
  const served = backend.createThreadsPortal({
    add: (a, b) => a + b,
    addSoon: async (a, b) => a + b,
  });
  return backend.bootstrap(() =>
    served.run(async () => {
      const handle = served.handle();
      const worker = new Worker(new URL('./portal-caller.mjs', import.meta.url));
      return backend.waitFor(ask(worker, { handle, calls }, [handle.port]));
    }),
  );
}

answerRequests({
  portal,
  runInThread: ({ calls }) =>
    timed(calls, () => backend.runInThread({ module: functions, name: 'add' }, [1, 2])),
});

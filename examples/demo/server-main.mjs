import { serveNative } from './serve-native.mjs';
import { serveNode } from './serve-node.mjs';

/**
 * The process of one backend's echo servers: `server-main.js native|node FOLDER`, with an IPC
 * channel to its parent.
 */

function send(message) {
  process.send?.(message);
}

const [, , backend, folder = ''] = process.argv;
const controller = new AbortController();

process.on('message', ({ type }) => {
  if (type === 'stop') controller.abort();
  else send({ type: 'usage', ...process.cpuUsage() });
});
// The parent has gone: so does its server.
process.on('disconnect', () => {
  controller.abort();
});

const serve = backend === 'native' ? serveNative : serveNode;
serve(
  folder,
  (addresses) => {
    send({ type: 'ready', addresses });
  },
  controller.signal,
).then(
  () => {
    process.disconnect();
  },
  (error) => {
    send({
      type: 'failed',
      message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    process.exitCode = 1;
    process.disconnect();
  },
);

// The process of the echo servers on one backend: `server-main.mjs native|node FOLDER`. Its parent
// asks for the CPU time used, and for the end, over the IPC channel.
import { serveNative } from './serve-native.mjs';
import { serveNode } from './serve-node.mjs';

const [, , name, folder] = process.argv;
const stop = new AbortController();

process.on('message', (request) => {
  if (request === 'stop') stop.abort();
  else process.send({ type: 'usage', ...process.cpuUsage() });
});
// The parent has ended, whatever ended it.
process.on('disconnect', () => stop.abort());
// Ctrl-C reaches every process of the terminal. The parent ends this one when it is done.
process.on('SIGINT', () => undefined);

const serve = name === 'native' ? serveNative : serveNode;
await serve(folder, (addresses) => process.send({ type: 'ready', addresses }), stop.signal);
if (process.connected) process.disconnect();

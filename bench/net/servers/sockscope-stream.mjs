// This library's streams. `backend`: native or node. `reuse`: other servers listen on the same
// port. sockscope-connection.mjs lists the other settings.
import { newBuiltinBackend, SocketAttribute } from 'sockscope';
import { announce, fail, serverArguments } from './server-process.mjs';
import { connectionHandler } from './sockscope-connection.mjs';

const { kind, address, options } = serverArguments();
const backend = newBuiltinBackend(options.backend === 'node' ? 'node' : 'native');
const serveOne = connectionHandler(kind, options, backend);

async function listen() {
  if (address.transport === 'unix')
    return backend.createUnixStreamListener(address.path, { backlog: 4096 });
  const reusePort = options.reuse !== undefined;
  const [listener] = await backend.createTcpListeners(address.host, address.port, {
    backlog: 4096,
    reusePort,
  });
  return listener;
}

await backend
  .bootstrap(async () => {
    const listener = await listen();
    const bound = listener.extra(SocketAttribute.localAddress);
    announce(address, typeof bound === 'object' && 'port' in bound ? bound.port : 0);
    await listener.serve(serveOne);
  })
  .catch(fail);

// Accepts here, and passes each connection's fd (SCM_RIGHTS) to a worker process, which echoes.
import { spawn } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { newBuiltinBackend, Socket, SocketAttribute } from 'sockscope';
import { announce, fail, serverArguments, unknownKind } from './server-process.mjs';

const { kind, address } = serverArguments();
if (kind !== 'handover') throw unknownKind(kind);
const backend = newBuiltinBackend('native');
const note = new Uint8Array(1);

const [ours, theirs] = Socket.pair();
const worker = spawn(
  process.execPath,
  [fileURLToPath(new URL('./sockscope-handover-worker.mjs', import.meta.url))],
  {
    stdio: ['ignore', 'inherit', 'inherit', theirs.fd],
  },
);
theirs.close();
worker.on('exit', () => process.exit(1));

await backend
  .bootstrap(async () => {
    const channel = await backend.wrapStreamSocket(ours);
    const turn = backend.createFairLock();
    // The worker has started.
    await channel.recvInto(note);
    const [listener] = await backend.createTcpListeners(address.host, address.port, {
      backlog: 4096,
    });
    const bound = listener.extra(SocketAttribute.localAddress);
    announce(address, typeof bound === 'object' && 'port' in bound ? bound.port : 0, [
      process.pid,
      worker.pid ?? 0,
    ]);
    await listener.serve(async (transport) => {
      const fds = [transport.extra(SocketAttribute.socket).fd];
      await turn.runExclusive(() => channel.sendAllWithAncillary([note], { fds }));
      // The message keeps the connection open for the worker.
      await transport.aclose();
    });
  })
  .catch(fail);

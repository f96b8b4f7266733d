// node:cluster with one worker: the primary accepts, and hands each connection over (round-robin, its default).
import cluster from 'node:cluster';
import net from 'node:net';
import process from 'node:process';
import { announce, serverArguments, unknownKind } from './server-process.mjs';

const { kind, address } = serverArguments();
if (kind !== 'handover') throw unknownKind(kind);

function work() {
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    // A reset: the load generator's time was up.
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('end', () => socket.end());
  });
  server.listen({ port: address.port, host: address.host, backlog: 4096 });
}

function supervise() {
  const worker = cluster.fork();
  worker.on('exit', () => process.exit(1));
  worker.on('listening', ({ port }) => announce(address, port, [process.pid, worker.process.pid ?? 0]));
}

if (cluster.isPrimary) supervise();
else work();

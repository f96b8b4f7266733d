// Accepts here, and sends each connection to a child process (`subprocess.send(message, socket)`),
// which echoes.
import { fork } from 'node:child_process';
import net from 'node:net';
import process from 'node:process';
import { announce, serverArguments, unknownKind } from './server-process.mjs';

/** @param {net.Socket} socket */
function echo(socket) {
  // A reset: the load generator's time is up.
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => socket.write(chunk));
  socket.on('end', () => socket.end());
  socket.resume();
}

function accept() {
  const { kind, address } = serverArguments();
  if (kind !== 'handover') throw unknownKind(kind);
  const child = fork(import.meta.filename, ['child']);
  child.on('exit', () => process.exit(1));
  const server = net.createServer(
    { pauseOnConnect: true, allowHalfOpen: true, noDelay: true },
    (socket) => {
      socket.on('error', () => undefined);
      child.send('connection', socket);
    },
  );
  // The child has started.
  child.once('message', () => {
    server.listen({ port: address.port, host: address.host, backlog: 4096 }, () => {
      const bound = server.address();
      announce(address, bound !== null && typeof bound === 'object' ? bound.port : 0, [
        process.pid,
        child.pid ?? 0,
      ]);
    });
  });
}

if (process.argv[2] === 'child') {
  process.on('disconnect', () => process.exit(0));
  process.on('message', (_, socket) => {
    // Undefined: the connection was closed on its way.
    if (socket instanceof net.Socket) echo(socket);
  });
  process.send?.('ready');
} else accept();

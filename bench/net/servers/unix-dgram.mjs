// The package `unix-dgram`. `size`: of what a source sends.
import { importOpponent } from '../../opponents/index.mjs';
import {
  announce,
  countAnswer,
  fail,
  followCommands,
  serverArguments,
  sourcePacket,
  unknownKind,
} from './server-process.mjs';

const { kind, address, options } = serverArguments();
const { default: unix } = await importOpponent('unix-dgram');

function serve() {
  let count = 0;
  const answer = {
    echo: (data) => data,
    sink: (data) => (data.length > 1 ? void count++ : Buffer.from(countAnswer(count))),
  }[kind];
  if (answer === undefined) throw unknownKind(kind);
  const socket = unix.createSocket('unix_dgram', (data, sender) => {
    const reply = answer(data);
    if (reply !== undefined) socket.sendto(reply, 0, reply.length, sender.path, ignore);
  });
  socket.on('error', fail);
  socket.bind(address.path);
  announce(address);
}

/** The load generator's queue is full, or it has ended: it counts the message as lost. */
function ignore() {
  return undefined;
}

/**
 * The socket is connected, because the package then reports when there is room again. @param
 * {import('./server-process.mjs').Address} to @param {() => boolean} going
 */
function source(to, going) {
  const packet = Buffer.from(sourcePacket(Number(options.size)));
  const socket = unix.createSocket('unix_dgram');
  return new Promise((resolve) => {
    const stop = () => {
      socket.close();
      resolve(undefined);
    };
    let congested = false;
    const pump = () => {
      if (!going()) return stop();
      congested = false;
      for (let i = 0; i < 64 && !congested; i++) socket.send(packet);
      if (!congested) setImmediate(pump);
    };
    socket.on('congestion', () => (congested = true));
    socket.on('writable', pump);
    socket.on('error', () => undefined);
    socket.on('connect', pump);
    socket.connect(to.path);
  });
}

if (kind === 'source') followCommands(source);
else serve();

// node:dgram. `size`: of what a source sends.
import dgram from 'node:dgram';
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
/** Sends between two turns of the loop. */
const BURST = 64;

function serve() {
  const socket = dgram.createSocket('udp4');
  let count = 0;
  socket.on('error', fail);
  if (kind === 'echo')
    socket.on('message', (data, sender) => socket.send(data, sender.port, sender.address));
  else if (kind === 'sink') {
    socket.on('message', (data, sender) => {
      if (data.length > 1) count++;
      else socket.send(countAnswer(count), sender.port, sender.address);
    });
  } else throw unknownKind(kind);
  socket.bind({ port: address.port, address: address.host }, () =>
    announce(address, socket.address().port),
  );
}

/** @param {import('./server-process.mjs').Address} to @param {() => boolean} going */
function source(to, going) {
  const packet = sourcePacket(Number(options.size));
  const socket = dgram.createSocket('udp4');
  // ECONNREFUSED: the load generator has ended, and `stop` has not arrived yet.
  socket.on('error', () => undefined);
  return new Promise((resolve) => {
    let pending = 0;
    // Callbacks of sends that complete at once run before everything else: without a turn of the
    // loop, `stop` would never be read.
    const sent = () => {
      if (--pending === 0) setImmediate(sendSome);
    };
    const sendSome = () => {
      if (!going()) {
        socket.close();
        resolve(undefined);
        return;
      }
      pending = BURST;
      for (let i = 0; i < BURST; i++) socket.send(packet, sent);
    };
    socket.connect(to.port, to.host, sendSome);
  });
}

if (kind === 'source') followCommands(source);
else serve();

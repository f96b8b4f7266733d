// Bun.listen and Bun.udpSocket. `size`: of what a source sends.
import {
  announce,
  countAnswer,
  followCommands,
  serverArguments,
  sourcePacket,
  unknownKind,
  work,
} from './server-process.mjs';

const { kind, address, options } = serverArguments();
// Not as a global name: tools that know Node.js alone read this file, too.
const { listen, udpSocket } = Reflect.get(globalThis, 'Bun');
const busy = Number(options.work ?? 0);

/** Writes, and keeps the bytes that the kernel did not take for `drain`. */
function write(socket, data) {
  const { state } = socket.data;
  if (state.rest.length > 0) state.rest = Buffer.concat([state.rest, data]);
  else {
    const written = socket.write(data);
    if (written < data.length) state.rest = Buffer.from(data.subarray(Math.max(written, 0)));
  }
}

function drain(socket) {
  const { state } = socket.data;
  const written = socket.write(state.rest);
  state.rest = state.rest.subarray(Math.max(written, 0));
  if (state.rest.length === 0 && state.ending) socket.end();
}

/** Ends the connection once everything is written. */
function end(socket) {
  const { state } = socket.data;
  if (state.rest.length > 0) state.ending = true;
  else socket.end();
}

function lines(socket, data) {
  const { state } = socket.data;
  const all = state.line.length === 0 ? data : Buffer.concat([state.line, data]);
  let begin = 0;
  for (let stop = all.indexOf(10); stop >= 0; stop = all.indexOf(10, begin)) {
    write(socket, all.subarray(begin, stop + 1));
    begin = stop + 1;
  }
  state.line = Buffer.from(all.subarray(begin));
}

const data = {
  echo(socket, chunk) {
    work(busy);
    write(socket, chunk);
  },
  lines,
  sink(socket, chunk) {
    socket.data.state.count += chunk.length;
  },
};

function serveStream() {
  const handler = data[kind];
  if (handler === undefined) throw unknownKind(kind);
  const where =
    address.transport === 'unix'
      ? { unix: address.path }
      : { hostname: address.host, port: address.port };
  const server = listen({
    ...where,
    allowHalfOpen: true,
    socket: {
      open(socket) {
        socket.data = {
          state: { rest: Buffer.alloc(0), line: Buffer.alloc(0), ending: false, count: 0 },
        };
      },
      data: handler,
      drain,
      end(socket) {
        if (kind === 'sink') write(socket, countAnswer(socket.data.state.count));
        end(socket);
      },
      error() {
        // A reset: the load generator's time is up.
      },
    },
  });
  announce(address, address.transport === 'unix' ? 0 : server.port);
}

/** ECONNREFUSED: the load generator has ended, and its last datagrams are answered in vain. */
function ignoreGone(error) {
  if (error?.code !== 'ECONNREFUSED') throw error;
}

async function serveDatagrams() {
  let count = 0;
  const answers = {
    echo: (chunk) => chunk,
    sink: (chunk) => (chunk.length > 1 ? void count++ : countAnswer(count)),
  };
  const answer = answers[kind];
  if (answer === undefined) throw unknownKind(kind);
  const server = await udpSocket({
    hostname: address.host,
    port: address.port,
    socket: {
      data(socket, chunk, port, host) {
        const reply = answer(chunk);
        if (reply === undefined) return;
        try {
          socket.send(reply, port, host);
        } catch (error) {
          ignoreGone(error);
        }
      },
      error: ignoreGone,
    },
  });
  announce(address, server.port);
}

/** @param {import('./server-process.mjs').Address} to @param {() => boolean} going */
async function source(to, going) {
  const packets = Array.from({ length: 64 }, () => sourcePacket(Number(options.size)));
  const socket = await udpSocket({
    connect: { hostname: to.host, port: to.port },
    socket: { drain: () => undefined, error: () => undefined },
  });
  while (going()) {
    socket.sendMany(packets);
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.close();
}

if (kind === 'source') followCommands(source);
else if (address.transport === 'udp') await serveDatagrams();
else serveStream();

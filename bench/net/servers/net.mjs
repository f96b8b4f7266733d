// node:net. `style`: data (`data` → `write`, the base of all ratios), await (`for await`), onread
// (one reused buffer). `reuse`: others listen on the same port.
import net from 'node:net';
import {
  announce,
  countAnswer,
  fail,
  RECEIVE_BYTES,
  serverArguments,
  unknownKind,
  work,
} from './server-process.mjs';

const { kind, address, options } = serverArguments();
const style = options.style ?? 'data';
const busy = Number(options.work ?? 0);

/** @param {net.Socket} socket @param {(chunk: Buffer) => boolean} take */
function onData(socket, take) {
  socket.on('data', (chunk) => {
    if (take(chunk)) return;
    socket.pause();
    socket.once('drain', () => socket.resume());
  });
  socket.on('end', () => socket.end());
}

/** @param {net.Socket} socket */
async function echoAwaiting(socket) {
  // By default the loop destroys the socket at its end, and with it the data that is still to be
  // written.
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    work(busy);
    if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve));
  }
  socket.end();
}

/**
 * Node.js has `onread` for sockets that connect, and not for those that a server accepts. So a new
 * socket takes over the handle of the accepted one.
 * @param {net.Socket} accepted @param {(socket: net.Socket, chunk: Uint8Array) => boolean} take
 *   Returns false to pause until the socket resumes.
 */
function reuseBuffer(accepted, take) {
  const { _handle: handle } = /** @type {net.Socket & { _handle: object }} */ (accepted);
  Object.assign(accepted, { _handle: null });
  const buffer = Buffer.allocUnsafeSlow(RECEIVE_BYTES);
  const init = {
    handle,
    allowHalfOpen: true,
    onread: { buffer, callback: (count) => take(socket, buffer.subarray(0, count)) },
  };
  const socket = new net.Socket(/** @type {net.SocketConstructorOpts} */ (init));
  socket.on('error', ignoreReset);
  socket.resume();
  return socket;
}

/**
 * Data that the kernel has not taken yet still lies in the buffer: the next receive waits until it
 * has.
 */
const echoReused = (/** @type {net.Socket} */ socket, /** @type {Uint8Array} */ chunk) => {
  work(busy);
  const written = socket.write(chunk, () => {
    if (socket.isPaused()) socket.resume();
  });
  if (written && socket.writableLength === 0) return true;
  socket.pause();
  return false;
};

/** @param {net.Socket} socket */
function lines(socket) {
  /** @type {Buffer} */
  let rest = Buffer.alloc(0);
  onData(socket, (chunk) => {
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let begin = 0;
    let flowing = true;
    socket.cork();
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, begin)) {
      flowing = socket.write(data.subarray(begin, end + 1));
      begin = end + 1;
    }
    socket.uncork();
    rest = data.subarray(begin);
    return flowing;
  });
}

/** @param {net.Socket} accepted */
function sink(accepted) {
  let count = 0;
  const take = (/** @type {Uint8Array} */ chunk) => {
    count += chunk.length;
    return true;
  };
  const socket = style === 'onread' ? reuseBuffer(accepted, (_, chunk) => take(chunk)) : accepted;
  if (style !== 'onread') socket.on('data', take);
  socket.on('end', () => socket.end(countAnswer(count)));
}

/** @param {net.Socket} socket */
function echo(socket) {
  if (style === 'await') return void echoAwaiting(socket).catch(ignoreReset);
  if (style === 'onread') {
    const own = reuseBuffer(socket, echoReused);
    own.on('end', () => own.end());
    return;
  }
  if (options.timeout !== undefined)
    socket.setTimeout(Number(options.timeout), () => socket.destroy());
  onData(socket, (chunk) => {
    work(busy);
    return socket.write(chunk);
  });
}

/** @param {NodeJS.ErrnoException} error */
function ignoreReset(error) {
  if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') fail(error);
}

const handler = { echo, lines, sink }[kind];
if (handler === undefined) throw unknownKind(kind);
const server = net.createServer(
  { allowHalfOpen: true, noDelay: true, pauseOnConnect: style === 'onread' },
  (socket) => {
    socket.on('error', ignoreReset);
    handler(socket);
  },
);
const ready = () => {
  const bound = server.address();
  announce(address, bound !== null && typeof bound === 'object' ? bound.port : 0);
};
if (address.transport === 'unix') server.listen({ path: address.path, backlog: 4096 }, ready);
else {
  const where = {
    port: address.port,
    host: address.host,
    backlog: 4096,
    reusePort: options.reuse !== undefined,
  };
  server.listen(where, ready);
}

// Deno's own listeners. `size`: of what a source sends.
import {
  announce,
  countAnswer,
  fail,
  followCommands,
  RECEIVE_BYTES,
  serverArguments,
  sourcePacket,
  unknownKind,
  work,
} from './server-process.mjs';

const { kind, address, options } = serverArguments();
// Not as a global name: tools that know Node.js alone read this file, too.
const { listen, listenDatagram } = Reflect.get(globalThis, 'Deno');
const busy = Number(options.work ?? 0);

async function writeAll(connection, data) {
  for (let rest = data; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
}

async function echo(connection) {
  const buffer = new Uint8Array(RECEIVE_BYTES);
  for (let count; (count = await connection.read(buffer)) !== null;) {
    work(busy);
    await writeAll(connection, buffer.subarray(0, count));
  }
}

async function lines(connection) {
  const buffer = new Uint8Array(RECEIVE_BYTES);
  let have = 0;
  for (let count; (count = await connection.read(buffer.subarray(have))) !== null;) {
    have += count;
    let begin = 0;
    const data = buffer.subarray(0, have);
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, begin)) {
      await writeAll(connection, data.subarray(begin, end + 1));
      begin = end + 1;
    }
    buffer.copyWithin(0, begin, have);
    have -= begin;
  }
}

async function sink(connection) {
  const buffer = new Uint8Array(RECEIVE_BYTES);
  let total = 0;
  for (let count; (count = await connection.read(buffer)) !== null;) total += count;
  await writeAll(connection, countAnswer(total));
}

async function serveStream() {
  const handler = { echo, lines, sink }[kind];
  if (handler === undefined) throw unknownKind(kind);
  const isUnix = address.transport === 'unix';
  const listener = isUnix
    ? listen({ transport: 'unix', path: address.path })
    : listen({ hostname: address.host, port: address.port, tcpBacklog: 4096 });
  announce(address, isUnix ? 0 : listener.addr.port);
  for await (const connection of listener) {
    if (!isUnix) connection.setNoDelay(true);
    // A reset: the load generator's time is up.
    handler(connection)
      .catch(() => undefined)
      .finally(() => connection.close());
  }
}

async function serveDatagrams() {
  const isUnix = address.transport === 'unix-dgram';
  const socket = isUnix
    ? listenDatagram({ transport: 'unixpacket', path: address.path })
    : listenDatagram({ transport: 'udp', hostname: address.host, port: address.port });
  announce(address, isUnix ? 0 : socket.addr.port);
  let count = 0;
  for await (const [data, sender] of socket) {
    if (kind === 'sink' && data.length > 1) {
      count++;
      continue;
    }
    try {
      await socket.send(kind === 'echo' ? data : countAnswer(count), sender);
    } catch (error) {
      // The load generator has ended, and its last datagrams are answered in vain.
      if (!['ECONNREFUSED', 'ENOENT'].includes(error.code)) throw error;
    }
  }
}

/** @param {import('./server-process.mjs').Address} to @param {() => boolean} going */
async function source(to, going) {
  const packet = sourcePacket(Number(options.size));
  const socket = listenDatagram({ transport: 'udp', hostname: '0.0.0.0', port: 0 });
  while (going()) await socket.send(packet, { transport: 'udp', hostname: to.host, port: to.port });
  socket.close();
}

if (kind === 'source') followCommands(source);
else
  await (
    address.transport === 'tcp' || address.transport === 'unix' ? serveStream() : serveDatagrams()
  ).catch(fail);

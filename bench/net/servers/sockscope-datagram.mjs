// This library's datagrams. `backend`: native or node. `size`: of what a source sends. `send`: one
// (`send`, a call for each) or many (`sendMany`, 64 at once, segmented by the kernel on UDP).
import { newBuiltinBackend, SocketAttribute } from 'sockscope';
import {
  announce,
  countAnswer,
  fail,
  followCommands,
  serverArguments,
  sourcePacket,
  unknownKind,
} from './server-process.mjs';

/** @typedef {import('sockscope').AsyncDatagramListener<any>} Listener */

const { kind, address, options } = serverArguments();
const backend = newBuiltinBackend(options.backend === 'node' ? 'node' : 'native');

/**
 * The load generator has ended: `stop` has not arrived yet, or its last datagrams are answered in
 * vain. @param {unknown} error
 */
function ignoreGone(error) {
  const { code = '' } = /** @type {NodeJS.ErrnoException} */ (error);
  if (!['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'ENOTCONN', 'EPIPE'].includes(code)) throw error;
}

/** @param {Listener} listener */
function echo(listener) {
  return listener.serve((data, sender) => listener.sendTo(data, sender).catch(ignoreGone));
}

/** @param {Listener} listener */
function sink(listener) {
  let count = 0;
  return listener.serve((data, sender) =>
    data.length > 1 ? void count++ : listener.sendTo(countAnswer(count), sender),
  );
}

/** @param {import('./server-process.mjs').Address} to @param {() => boolean} going */
async function source(to, going) {
  const packet = sourcePacket(Number(options.size));
  const packets = Array.from({ length: 64 }, () => packet);
  const unix = to.transport === 'unix-dgram';
  const endpoint = unix
    ? await backend.createUnixDatagramEndpoint(to.path)
    : await backend.createUdpEndpoint(to.host, to.port);
  try {
    while (going())
      await (options.send === 'one' ? endpoint.send(packet) : endpoint.sendMany(packets));
  } catch (error) {
    ignoreGone(error);
  } finally {
    await endpoint.aclose();
  }
}

async function listen() {
  if (address.transport === 'unix-dgram') return backend.createUnixDatagramListener(address.path);
  const [listener] = await backend.createUdpListeners(address.host, address.port);
  return listener;
}

async function serve() {
  const serving = { echo, sink }[kind];
  if (serving === undefined) throw unknownKind(kind);
  const listener = await listen();
  const bound = listener.extra(SocketAttribute.localAddress);
  announce(address, typeof bound === 'object' && 'port' in bound ? bound.port : 0);
  await serving(listener);
}

if (kind === 'source') followCommands((to, going) => backend.bootstrap(() => source(to, going)));
else await backend.bootstrap(serve).catch(fail);

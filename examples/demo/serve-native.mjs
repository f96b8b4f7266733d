import { join } from 'node:path';
import { newBuiltinBackend, SocketAttribute } from 'sockscope';
import { MESSAGE_BYTES } from './kinds.mjs';

const backend = newBuiltinBackend('native');

/**
 * Echo servers of every kind on the native backend, and a server that receives the fds of
 * connections, until `signal` aborts.
 * @param {string} folder For the Unix sockets.
 * @param {(addresses: import('./kinds.mjs').Addresses) => void} onReady
 * @param {AbortSignal} signal
 */
export async function serveNative(folder, onReady, signal) {
  const paths = {
    unix: join(folder, 'native.stream'),
    unixgram: join(folder, 'native.datagram'),
    handOver: join(folder, 'native.fds'),
  };
  await backend.bootstrap(() =>
    backend.openCancelScope({ signal }).run(async () => {
      const [tcp] = await backend.createTcpListeners('127.0.0.1', 0);
      const [udp] = await backend.createUdpListeners('127.0.0.1', 0);
      const unix = await backend.createUnixStreamListener(paths.unix);
      const unixgram = await backend.createUnixDatagramListener(paths.unixgram);
      const handOver = await backend.createUnixStreamListener(paths.handOver, { mode: 0o600 });
      onReady({
        ...paths,
        tcp: tcp.extra(SocketAttribute.localAddress)['port'],
        udp: udp.extra(SocketAttribute.localAddress)['port'],
      });
      try {
        await backend.createTaskGroup().run((group) => {
          group.startSoon(() => tcp.serve(echoStream));
          group.startSoon(() => unix.serve(echoStream));
          group.startSoon(() => udp.serve(echoTo(udp)));
          group.startSoon(() => unixgram.serve(echoTo(unixgram)));
          group.startSoon(() => handOver.serve(takeOver));
        });
      } finally {
        for (const listener of [tcp, udp, unix, unixgram, handOver]) await listener.aclose();
      }
    }),
  );
}

/** @param {import('sockscope').AsyncStreamTransport} connection */
async function echoStream(connection) {
  const buffer = Buffer.allocUnsafeSlow(16 * MESSAGE_BYTES);
  try {
    for (let size; (size = await connection.recvInto(buffer)) > 0;)
      await connection.sendAll(buffer.subarray(0, size));
  } catch (error) {
    ignoreLostClient(error);
  } finally {
    await connection.aclose();
  }
}

/**
 * @template Address
 * @param {import('sockscope').AsyncDatagramListener<Address>} listener
 * @returns {(data: Uint8Array, address: Address) => Promise<void>}
 */
function echoTo(listener) {
  return async (data, address) => {
    try {
      await listener.sendTo(data, address);
    } catch (error) {
      ignoreLostClient(error);
    }
  };
}

/**
 * Receives the fds of connections, and greets the client of each.
 * @param {import('sockscope').AsyncStreamTransport} control
 */
async function takeOver(control) {
  try {
    const { ancillary } = await control.recvWithAncillary(1, 64);
    for (const fd of ancillary.fds ?? []) {
      const connection = await backend.wrapStreamSocket(fd);
      await connection.sendAll(Buffer.from(`process ${process.pid} speaking`));
      await connection.aclose();
    }
  } catch (error) {
    ignoreLostClient(error);
  } finally {
    await control.aclose();
  }
}

/**
 * A client may go away at any time (ECONNRESET, EPIPE, ECONNREFUSED …). That ends its connection,
 * not the server. Any other error is thrown on.
 * @param {unknown} error
 */
function ignoreLostClient(error) {
  if (/** @type {NodeJS.ErrnoException} */ (error).syscall === undefined) throw error;
}

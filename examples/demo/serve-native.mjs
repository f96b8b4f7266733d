import { join } from 'node:path';
import { newBuiltinBackend, SocketAttribute } from 'sockscope';
import { MESSAGE_BYTES } from './messages.mjs';

/**
 * Echo servers of every kind, and one that takes connections over by their fds, on the native
 * backend.
 */
export async function serveNative(folder, onReady, signal) {
  const backend = newBuiltinBackend('native');
  await backend.bootstrap(() =>
    backend.openCancelScope({ signal }).run(async () => {
      const paths = {
        unix: join(folder, 'n.s'),
        unixgram: join(folder, 'n.d'),
        handOver: join(folder, 'n.h'),
      };
      const [tcp] = await backend.createTcpListeners('127.0.0.1', 0);
      const [udp] = await backend.createUdpListeners('127.0.0.1', 0);
      const unix = await backend.createUnixStreamListener(paths.unix);
      const unixgram = await backend.createUnixDatagramListener(paths.unixgram);
      const handOver = await backend.createUnixStreamListener(paths.handOver, { mode: 0o600 });
      if (tcp === undefined || udp === undefined) throw new Error('127.0.0.1 gave no listener');
      const listeners = [tcp, udp, unix, unixgram, handOver];
      onReady({
        ...paths,
        tcp: tcp.extra(SocketAttribute.localAddress).port,
        udp: udp.extra(SocketAttribute.localAddress).port,
      });
      try {
        await backend.createTaskGroup().run((group) => {
          group.startSoon(() => tcp.serve(echoStream));
          group.startSoon(() => unix.serve(echoStream));
          group.startSoon(() =>
            udp.serve((data, address) => ignoringPeer(() => udp.sendTo(data, address))),
          );
          group.startSoon(() =>
            unixgram.serve((data, address) => ignoringPeer(() => unixgram.sendTo(data, address))),
          );
          group.startSoon(() => handOver.serve((control) => takeOver(backend, control)));
        });
      } finally {
        for (const listener of listeners) await listener.aclose();
      }
    }),
  );
}

async function echoStream(connection) {
  const buffer = new Uint8Array(16 * MESSAGE_BYTES);
  try {
    await ignoringPeer(async () => {
      for (
        let size = await connection.recvInto(buffer);
        size > 0;
        size = await connection.recvInto(buffer)
      ) {
        await connection.sendAll(buffer.subarray(0, size));
      }
    });
  } finally {
    await connection.aclose();
  }
}

/** Receives connections' fds, and greets whoever is at their other end. */
async function takeOver(backend, control) {
  try {
    const { ancillary } = await control.recvWithAncillary(1, 64);
    for (const fd of ancillary.fds ?? []) {
      const connection = await backend.wrapStreamSocket(fd);
      await connection.sendAll(Buffer.from(`process ${String(process.pid)} speaking`));
      await connection.aclose();
    }
  } finally {
    await control.aclose();
  }
}

/** Serves one peer: its going away (a system error) ends `body`, and is no failure of the server. */
async function ignoringPeer(body) {
  try {
    await body();
  } catch (error) {
    if (error.syscall === undefined) throw error;
  }
}

// One process accepts connections, others serve them: `node fd-passing.mjs [WORKERS]`. A connection
// changes hands as an open file descriptor, over a Unix socket; the client notices nothing.
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ancillaryBufferSize, newBuiltinBackend, SocketAttribute } from 'sockscope';

const backend = newBuiltinBackend('native');

/**
 * Serves the connections whose fds come from the acceptor, until that has gone. @param {string}
 * path
 */
async function work(path) {
  const acceptor = await backend.createUnixStreamConnection(path);
  await backend.createTaskGroup().run(async (group) => {
    for (;;) {
      const { data, ancillary } = await acceptor.recvWithAncillary(1, ancillaryBufferSize(1));
      if (data.length === 0) break;
      for (const fd of ancillary.fds ?? []) {
        group.startSoon(async () => {
          const connection = await backend.wrapStreamSocket(fd); // the fd is the transport's from here on
          const name = Buffer.from(await connection.recv(1000)).toString();
          await connection.sendAll(Buffer.from(`hello ${name}, this is process ${process.pid}\n`));
          await connection.aclose();
        });
      }
    }
  });
  await acceptor.aclose();
}

/** Accepts connections, and deals them out in turn. @param {number} count */
async function accept(count) {
  const folder = mkdtempSync(join(tmpdir(), 'fd-passing-'));
  const path = join(folder, 's');
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stop.abort());
  const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
  const control = await backend.createUnixStreamListener(path, { mode: 0o600 });
  const children = Array.from({ length: count }, () =>
    fork(new URL(import.meta.url), ['worker', path]),
  );
  /** @type {import('sockscope').AsyncStreamTransport[]} */
  const workers = [];
  await backend.openCancelScope({ signal: stop.signal }).run(async () => {
    const joining = backend.openCancelScope();
    await joining.run(() =>
      control.serve((worker) => (workers.push(worker) === count ? joining.cancel() : undefined)),
    );
    console.log(
      `listening on port ${listener.extra(SocketAttribute.localAddress)['port']} for ${count} workers`,
    );
    let turn = 0;
    await listener.serve(async (connection) => {
      const worker = workers[turn++ % count];
      await worker.sendAllWithAncillary([Uint8Array.of(0)], {
        fds: [connection.extra(SocketAttribute.socket).fd],
      });
      await connection.aclose(); // the worker has an fd of its own by now
    });
  });
  for (const transport of [...workers, control, listener]) await transport.aclose();
  for (const child of children) child.disconnect();
  rmSync(folder, { recursive: true });
}

const [, , role, path] = process.argv;
await backend.bootstrap(() => (role === 'worker' ? work(path) : accept(Number(role ?? 2))));

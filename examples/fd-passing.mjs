// One process accepts connections, and others serve them: `node fd-passing.mjs [WORKERS]`. The
// acceptor sends the fd of a connection over a Unix socket. The client notices nothing.
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ancillaryBufferSize, newBuiltinBackend, SocketAttribute } from 'sockscope';

const backend = newBuiltinBackend('native');

/**
 * Receives the fds of connections from the acceptor, and serves them until the acceptor ends.
 * @param {string} path
 */
async function work(path) {
  const acceptor = await backend.createUnixStreamConnection(path);
  await backend.createTaskGroup().run(async (group) => {
    for (;;) {
      const { data, ancillary } = await acceptor.recvWithAncillary(1, ancillaryBufferSize(1));
      if (data.length === 0) break;
      for (const fd of ancillary.fds ?? []) {
        group.startSoon(() => greet(fd));
      }
    }
  });
  await acceptor.aclose();
}

/** @param {number} fd */
async function greet(fd) {
  const connection = await backend.wrapStreamSocket(fd); // the transport owns the fd from here on
  try {
    const name = Buffer.from(await connection.recv(1000)).toString();
    await connection.sendAll(Buffer.from(`hello ${name}, this is process ${process.pid}\n`));
  } catch (error) {
    // The client has gone (ECONNRESET, EPIPE …). That ends its connection, not the worker.
    if (error.syscall === undefined) throw error;
  } finally {
    await connection.aclose();
  }
}

/** Accepts connections, and gives them to the workers in turn. @param {number} count */
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
    const port = listener.extra(SocketAttribute.localAddress)['port'];
    console.log(`listening on port ${port} for ${count} workers`);
    let turn = 0;
    await listener.serve(async (connection) => {
      const worker = workers[turn++ % count];
      await worker.sendAllWithAncillary([Uint8Array.of(0)], {
        fds: [connection.extra(SocketAttribute.socket).fd],
      });
      await connection.aclose(); // the worker's fd is a duplicate, and stays open
    });
  });
  for (const transport of [...workers, control, listener]) await transport.aclose();
  for (const child of children) child.disconnect();
  rmSync(folder, { recursive: true });
}

const [, , role, path] = process.argv;
await backend.bootstrap(() => (role === 'worker' ? work(path) : accept(Number(role ?? 2))));

// An echo server on every core, in two ways:
//
//  - each worker thread listens on the same port (SO_REUSEPORT), and the kernel spreads the
//    connections;
//  - this thread accepts on a second port, and hands each connection to a worker by its fd.
//
// A worker that dies is replaced, and the connections of the other workers go on. SIGINT and
// SIGTERM end the server cleanly.
//
//   node examples/multicore-echo/main.mjs [--workers N] [--port N] [--handover-port N] [--chaos]
//
// With --chaos, a client that sends "!crash" kills its worker.

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { constants, newBuiltinBackend, Socket, SocketAttribute } from 'sockscope';

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: String(availableParallelism()) },
    port: { type: 'string', default: '0' },
    'handover-port': { type: 'string', default: '0' },
    chaos: { type: 'boolean', default: false },
  },
});

const workerCount = Number(values.workers);
if (!(Number.isInteger(workerCount) && workerCount >= 1))
  throw new RangeError(`--workers must be a whole number from 1, not "${values.workers}"`);

const backend = newBuiltinBackend('native');
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stop.abort(name));

/** @param {unknown} address The address of a TCP socket. */
const inetAddress = (address) => /** @type {import('sockscope').InetAddress} */ (address);

/**
 * A socket that is bound and never listens. It reserves the port number for the workers, and
 * receives no connection.
 */
function reservePort(port) {
  const socket = Socket.create(constants.AF_INET, constants.SOCK_STREAM);
  socket.setsockopt(constants.SOL_SOCKET, constants.SO_REUSEPORT, true);
  socket.bind({ address: '127.0.0.1', port, family: 'IPv4' });
  return socket;
}

/** One of the workers: a thread, and after its death the next thread. */
class WorkerSlot {
  /** Fds that were sent to the worker, and that it has not taken over yet. */
  #sentFds = new Set();
  #worker;
  #isReady = false;

  constructor(index, port) {
    this.index = index;
    this.port = port;
  }

  /** Keeps a worker running until the server stops. */
  async run() {
    while (!stop.signal.aborted) {
      this.#isReady = false;
      this.#worker = new Worker(new URL('./worker.mjs', import.meta.url), {
        workerData: { port: this.port, chaos: values.chaos },
      });
      this.#worker.on('message', (message) => this.#onMessage(message));
      this.#worker.on('error', (error) =>
        console.log(`worker ${this.index} died: ${error.message}`),
      );
      const exited = new Promise((resolve) => this.#worker.once('exit', resolve));
      await backend.openCancelScope({ signal: stop.signal }).run(() => backend.waitFor(exited));
      if (stop.signal.aborted) {
        this.#worker.postMessage({ type: 'stop' });
        await exited;
      }
      // The fds that the worker has not taken over are closed here. Its messages all arrive before
      // its exit, so no fd is closed twice.
      for (const fd of this.#sentFds) Socket.fromFd(fd).close();
      this.#sentFds.clear();
      // A worker that dies before it is ready would die again.
      if (!this.#isReady && !stop.signal.aborted)
        throw new Error(`worker ${this.index} did not start`);
    }
  }

  /**
   * Sends a connection to the worker. Until the worker takes over the fd, this object owns it.
   */
  take(connection) {
    const fd = connection.extra(SocketAttribute.socket).detach();
    this.#sentFds.add(fd);
    this.#worker.postMessage({ type: 'connection', fd });
  }

  #onMessage({ type, fd, threadId }) {
    if (type === 'taken') this.#sentFds.delete(fd);
    if (type === 'ready') {
      this.#isReady = true;
      console.log(`worker ${this.index} is thread ${threadId}`);
    }
  }
}

await backend.bootstrap(async () => {
  const reserved = reservePort(Number(values.port));
  const { port } = inetAddress(reserved.localAddress());
  const [listener] = await backend.createTcpListeners('127.0.0.1', Number(values['handover-port']));
  const slots = Array.from({ length: workerCount }, (_, index) => new WorkerSlot(index, port));
  try {
    await backend.createTaskGroup().run(async (group) => {
      for (const slot of slots) group.startSoon(() => slot.run());
      const handOver = inetAddress(listener.extra(SocketAttribute.localAddress)).port;
      console.log(`reuse-port on 127.0.0.1:${port}, hand-over on 127.0.0.1:${handOver}`);
      let next = 0;
      await backend
        .openCancelScope({ signal: stop.signal })
        .run(() => listener.serve((connection) => slots[next++ % slots.length].take(connection)));
    });
  } finally {
    await listener.aclose();
    reserved.close();
  }
});
console.log(`stopped by ${stop.signal.reason}`);

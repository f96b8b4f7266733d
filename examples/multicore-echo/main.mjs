// An echo server on every core, in both ways there are:
//
//  - each worker thread listens on the same port (SO_REUSEPORT), and the kernel spreads the
//    connections;
//  - this thread accepts on a second port, and hands each connection to a worker by its fd.
//
// A worker that dies is replaced; the connections of the others go on. SIGINT and SIGTERM end it
// cleanly.
//
//   node examples/multicore-echo/main.mjs [--workers N] [--port N] [--handover-port N] [--chaos]
//
// With --chaos, whoever sends "!crash" kills the worker that serves it.

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
  throw new RangeError(`--workers must be 1 or more, not "${values.workers}"`);

const backend = newBuiltinBackend('native');
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stop.abort(name));

/** @param {unknown} address Of a TCP socket. */
const inetAddress = (address) => /** @type {import('sockscope').InetAddress} */ (address);

/**
 * A socket that is bound, and never listens: it keeps the port's number for the workers, and gets
 * no connection.
 */
function reservePort(port) {
  const socket = Socket.create(constants.AF_INET, constants.SOCK_STREAM);
  socket.setsockopt(constants.SOL_SOCKET, constants.SO_REUSEPORT, true);
  socket.bind({ address: '127.0.0.1', port, family: 'IPv4' });
  return socket;
}

/** One worker thread after another in one place. */
class Place {
  /** Fds that were given away and not taken over yet. */
  #onTheirWay = new Set();
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
      // What it had not taken over is still ours to close. Its messages all come before its exit,
      // so nothing is closed twice.
      for (const fd of this.#onTheirWay) Socket.fromFd(fd).close();
      this.#onTheirWay.clear();
      // Another one would come to the same end.
      if (!this.#isReady && !stop.signal.aborted)
        throw new Error(`worker ${this.index} did not start`);
    }
  }

  /**
   * Gives a connection away. Its fd has no owner until the worker has taken it over, so this place
   * remembers it.
   */
  take(connection) {
    const fd = connection.extra(SocketAttribute.socket).detach();
    this.#onTheirWay.add(fd);
    this.#worker.postMessage({ type: 'connection', fd });
  }

  #onMessage({ type, fd, threadId }) {
    if (type === 'taken') this.#onTheirWay.delete(fd);
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
  const places = Array.from({ length: workerCount }, (_, index) => new Place(index, port));
  try {
    await backend.createTaskGroup().run(async (group) => {
      for (const place of places) group.startSoon(() => place.run());
      console.log(
        `reuse-port on 127.0.0.1:${port}, hand-over on 127.0.0.1:${inetAddress(listener.extra(SocketAttribute.localAddress)).port}`,
      );
      let next = 0;
      await backend
        .openCancelScope({ signal: stop.signal })
        .run(() => listener.serve((connection) => places[next++ % places.length].take(connection)));
    });
  } finally {
    await listener.aclose();
    reserved.close();
  }
});
console.log(`stopped by ${stop.signal.reason}`);

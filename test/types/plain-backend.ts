// A complete backend of plain objects, and everything that takes one: `npm run types` checks it,
// and test/unit/transports/plain-backend.test.ts runs it.
import {
  acloseForcefully,
  type AsyncBackend,
  type AsyncBaseTransport,
  type AsyncDatagramListener,
  type AsyncDatagramTransport,
  AsyncExecutor,
  type AsyncListener,
  type AsyncStreamTransport,
  AttributeLookupError,
  type Bytes,
  ClosedResourceError,
  ensureBackend,
  type InetAddress,
  isAsyncBackend,
  type PortalFunctions,
  StapledDatagramTransport,
  StapledStreamTransport,
  type TaskGroup,
  type ThreadsPortal,
  UnsupportedOperationError,
} from '#lib/index';
import type { ConformanceSubject } from '#lib/conformance/index';
import { newPlainConcurrency } from './plain-concurrency';

const refuse = async (): Promise<never> => {
  throw new UnsupportedOperationError('The plain backend cannot do this');
};

/** What all plain transports do. */
function newPlainTransport(backend: AsyncBackend): AsyncBaseTransport {
  let isClosing = false;
  const transport: AsyncBaseTransport = {
    async aclose() {
      isClosing = true;
      await backend.coroYield();
    },
    isClosing: () => isClosing,
    backend: () => backend,
    extra(attribute, fallback) {
      if (fallback !== undefined) return fallback;
      throw new AttributeLookupError(attribute.name);
    },
    [Symbol.asyncDispose]: () => transport.aclose(),
  };
  return transport;
}

/** A stream that receives what it sent. */
export function newPlainStream(backend: AsyncBackend): AsyncStreamTransport {
  const chunks: Uint8Array[] = [];
  let hasEnded = false;
  const arrival = backend.createConditionVar();
  const take = (most: number): Promise<Uint8Array> =>
    arrival.runExclusive(async () => {
      if (stream.isClosing()) throw new ClosedResourceError('The plain stream is closed');
      while (chunks.length === 0 && !hasEnded) await arrival.wait();
      const [first = new Uint8Array(0)] = chunks.splice(0, 1);
      if (first.length > most) chunks.unshift(first.subarray(most));
      return first.subarray(0, most);
    });
  const takeInto = async (buffer: Bytes): Promise<number> => {
    const data = await take(buffer.byteLength);
    new Uint8Array(buffer.buffer, buffer.byteOffset).set(data);
    return data.length;
  };
  const stream: AsyncStreamTransport = {
    ...newPlainTransport(backend),
    recv: take,
    recvInto: takeInto,
    recvIntoMany: ([first = new Uint8Array(0)]) => takeInto(first),
    recvWithAncillary: refuse,
    recvWithAncillaryInto: refuse,
    sendAll: (data) =>
      arrival.runExclusive(() => {
        chunks.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice());
        arrival.notifyAll();
      }),
    async sendAllFromIterable(data) {
      for (const part of data) await stream.sendAll(part);
    },
    sendAllWithAncillary: refuse,
    sendEof: () =>
      arrival.runExclusive(() => {
        hasEnded = true;
        arrival.notifyAll();
      }),
  };
  return stream;
}

/** A datagram transport that receives what it sent. */
function newPlainDatagram(backend: AsyncBackend): AsyncDatagramTransport {
  const stream = newPlainStream(backend);
  return {
    ...newPlainTransport(backend),
    recv: () => stream.recv(65_536),
    recvInto: stream.recvInto,
    recvWithAncillary: refuse,
    recvMany: async () => [await stream.recv(65_536)],
    send: stream.sendAll,
    sendWithAncillary: refuse,
    sendMany: (packets) => stream.sendAllFromIterable(packets),
  };
}

/** One connection, and then none. */
function newPlainListener(backend: AsyncBackend): AsyncListener<AsyncStreamTransport> {
  return {
    ...newPlainTransport(backend),
    async serve(handler, options) {
      const stream = newPlainStream(backend);
      const group = options !== undefined && 'startSoon' in options ? options : options?.group;
      if (group === undefined) await handler(stream);
      else group.startSoon(() => handler(stream));
      return backend.sleepForever();
    },
  };
}

function newPlainDatagramListener(backend: AsyncBackend): AsyncDatagramListener<InetAddress> {
  return {
    ...newPlainTransport(backend),
    maxConcurrentHandlers: 1024,
    serve: () => backend.sleepForever(),
    serveWithAncillary: refuse,
    sendTo: refuse,
    sendWithAncillaryTo: refuse,
  };
}

function newPlainPortal<F extends PortalFunctions>(functions: F): ThreadsPortal<F> {
  const portal: ThreadsPortal<F> = {
    functions,
    run: async (body) => body(portal),
    handle: () => ({ port: new MessageChannel().port1 }),
  };
  return portal;
}

/** Every method of the contract; those that need a real socket reject. */
export function newPlainBackend(): AsyncBackend {
  const backend: AsyncBackend = {
    ...newPlainConcurrency(),
    name: 'plain',
    getaddrinfo: refuse,
    getnameinfo: refuse,
    createTcpConnection: async () => newPlainStream(backend),
    createUnixStreamConnection: async () => newPlainStream(backend),
    wrapStreamSocket: refuse,
    createUdpEndpoint: async () => newPlainDatagram(backend),
    createUnixDatagramEndpoint: refuse,
    wrapConnectedDatagramSocket: refuse,
    createTcpListeners: async () => [newPlainListener(backend)],
    createUnixStreamListener: async () => newPlainListener(backend),
    createUdpListeners: async () => [newPlainDatagramListener(backend)],
    createUnixDatagramListener: refuse,
    wrapListenerSocket: refuse,
    wrapDatagramListenerSocket: refuse,
    listenersFromEnvironment: async () => [],
    runInThread: refuse,
    createThreadsPortal: newPlainPortal,
  };
  return backend;
}

/** Compiles only if all that takes a backend, a group or a transport takes the plain ones. */
export async function takers(
  backend: AsyncBackend,
  real: AsyncBackend,
  plainGroup: TaskGroup,
): Promise<void> {
  const same: AsyncBackend = ensureBackend(backend);
  const value: unknown = same;
  if (isAsyncBackend(value)) value.currentTime();
  await using executor = new AsyncExecutor(newPlainBackend());
  void executor;
  const stream = newPlainStream(backend);
  const stapled = new StapledStreamTransport(stream, newPlainStream(backend));
  const datagrams = new StapledDatagramTransport(
    newPlainDatagram(backend),
    newPlainDatagram(backend),
  );
  await acloseForcefully(stapled);
  await acloseForcefully(datagrams);
  await acloseForcefully(newPlainListener(backend));
  // A plain group at a listener of this library, and a group of this library at a plain listener.
  const [listener] = await real.createTcpListeners(null, 0);
  await listener?.serve((connection) => connection.aclose(), plainGroup);
  const [udp] = await real.createUdpListeners(null, 0);
  await udp?.serve(() => undefined, plainGroup);
  await newPlainListener(backend).serve((each) => each.aclose(), real.createTaskGroup());
  const subject: ConformanceSubject = { name: 'plain', newBackend: newPlainBackend, constants: {} };
  void subject;
}

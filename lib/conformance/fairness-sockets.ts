import type { AsyncListener } from '../contract/listeners';
import type { AsyncStreamTransport } from '../contract/transports';
import { UDP } from './datagram-kinds';
import type { ReadyCheckpoint } from './ready-checkpoint';
import { lacks, type Scenario } from './scenario';
import { STREAM_KINDS } from './stream-kinds';
import { STREAM_LISTENER_KINDS } from './stream-listener';

const NOTHING = new Uint8Array(0);
const SOME = new Uint8Array(10);
/** A path where no socket can be: a file is no folder. */
const NOWHERE = '/dev/null/socket';

type Call<T> = (resource: T, scenario: Scenario) => Promise<unknown>;

/** Calls of a connected stream; the first kind is TCP. */
function ofStream(name: string, call: Call<AsyncStreamTransport>): ReadyCheckpoint {
  return {
    name: `a stream: ${name}`,
    prepare: async (scenario) => {
      const { transport } = await firstOf(STREAM_KINDS).open(scenario);
      return () => call(transport, scenario);
    },
  };
}

/** Calls of a stream after `aclose`. */
function ofClosedStream(name: string, call: Call<AsyncStreamTransport>): ReadyCheckpoint {
  return {
    name: `a closed stream: ${name}`,
    prepare: async (scenario) => {
      const { transport } = await firstOf(STREAM_KINDS).open(scenario);
      await transport.aclose();
      return () => call(transport, scenario);
    },
  };
}

/** Calls of a stream whose peer has ended its side. */
function ofEndedStream(name: string, call: Call<AsyncStreamTransport>): ReadyCheckpoint {
  return {
    name: `a stream at its end: ${name}`,
    prepare: async (scenario) => {
      const { transport, peer } = await firstOf(STREAM_KINDS).open(scenario);
      peer.end();
      await transport.recv(1);
      return () => call(transport, scenario);
    },
  };
}

function ofListener(
  name: string,
  call: Call<AsyncListener<AsyncStreamTransport>>,
): ReadyCheckpoint {
  return {
    name: `a closed listener: ${name}`,
    prepare: async (scenario) => {
      const { listener } = await firstOf(STREAM_LISTENER_KINDS).listen(scenario);
      await listener.aclose();
      return () => call(listener, scenario);
    },
  };
}

type DatagramTransport = Awaited<ReturnType<typeof UDP.connect>>;

function ofDatagrams(
  name: string,
  call: Call<DatagramTransport>,
  isClosed: boolean,
): ReadyCheckpoint {
  return {
    name: `a ${isClosed ? 'closed datagram socket' : 'datagram socket'}: ${name}`,
    prepare: async (scenario) => {
      const peer = await UDP.peer(scenario);
      const transport = await UDP.connect(scenario, peer);
      if (isClosed) await transport.aclose();
      return () => call(transport, scenario);
    },
  };
}

function firstOf<T>(kinds: readonly T[]): T {
  const [first] = kinds;
  if (first === undefined) throw new Error('no kind to test');
  return first;
}

/** The ready checkpoints of transports, listeners and look-ups. */
export const SOCKET_CHECKPOINTS: readonly ReadyCheckpoint[] = [
  ofStream('recv(0)', (stream) => stream.recv(0)),
  ofStream('recvInto an empty buffer', (stream) => stream.recvInto(NOTHING)),
  ofStream('recvIntoMany without room', (stream) => stream.recvIntoMany([NOTHING])),
  ofStream('sendAll of nothing', (stream) => stream.sendAll(NOTHING)),
  ofStream('sendAllFromIterable of nothing', (stream) => stream.sendAllFromIterable([])),
  ofStream('sendEof, once and again', (stream) => stream.sendEof()),
  ofStream('aclose, once and again', (stream) => stream.aclose()),
  ofEndedStream('recv', (stream) => stream.recv(10)),
  ofEndedStream('recvInto', (stream) => stream.recvInto(new Uint8Array(10))),
  ofEndedStream('recvIntoMany', (stream) => stream.recvIntoMany([new Uint8Array(10)])),
  {
    name: 'a stream: recv while another task receives',
    prepare: async (scenario) => {
      const { transport } = await firstOf(STREAM_KINDS).open(scenario);
      const scope = scenario.backend.openCancelScope();
      void scope.run(() => transport.recv(1));
      scenario.atEnd(() => {
        scope.cancel();
      });
      return () => transport.recv(1);
    },
  },
  {
    name: 'a stream: recvWithAncillary of nothing',
    prepare: async (scenario) => {
      const kind = lacks(scenario.subject, 'ancillary data')
        ? undefined
        : STREAM_KINDS.find(({ family }) => family === 'unix');
      // Without control messages it is no checkpoint, but rejects at once.
      if (kind === undefined) return () => scenario.backend.coroYield();
      const { transport } = await kind.open(scenario);
      return () => transport.recvWithAncillary(0, 0);
    },
  },
  ofClosedStream('recv', (stream) => stream.recv(10)),
  ofClosedStream('recvInto', (stream) => stream.recvInto(new Uint8Array(10))),
  ofClosedStream('recvIntoMany', (stream) => stream.recvIntoMany([new Uint8Array(10)])),
  ofClosedStream('recv(0)', (stream) => stream.recv(0)),
  ofClosedStream('sendAll', (stream) => stream.sendAll(SOME)),
  ofClosedStream('sendAllFromIterable', (stream) => stream.sendAllFromIterable([SOME, SOME])),
  ofClosedStream('sendEof', (stream) => stream.sendEof()),
  ofListener('aclose again', (listener) => listener.aclose()),
  ofListener('serve', (listener) => listener.serve(() => undefined)),
  {
    name: 'a listener: serve while another task serves',
    prepare: async (scenario) => {
      const { listener } = await firstOf(STREAM_LISTENER_KINDS).listen(scenario);
      const scope = scenario.backend.openCancelScope();
      void scope.run(() => listener.serve(() => undefined));
      scenario.atEnd(() => {
        scope.cancel();
      });
      // It is no checkpoint while the other task serves: it rejects at once.
      return async () => {
        await listener.serve(() => undefined).catch(() => undefined);
        await scenario.backend.createLock().acquire();
      };
    },
  },
  ofDatagrams('send of an empty datagram', (transport) => transport.send(NOTHING), false),
  ofDatagrams('sendMany of nothing', (transport) => transport.sendMany([]), false),
  ofDatagrams('aclose, once and again', (transport) => transport.aclose(), false),
  ofDatagrams('recv', (transport) => transport.recv(), true),
  ofDatagrams('recvInto', (transport) => transport.recvInto(SOME), true),
  ofDatagrams('recvMany', (transport) => transport.recvMany(5), true),
  ofDatagrams('send', (transport) => transport.send(SOME), true),
  ofDatagrams('sendMany', (transport) => transport.sendMany([SOME]), true),
  {
    name: 'a closed datagram listener: sendTo',
    prepare: async (scenario) => {
      const { address } = await UDP.peer(scenario);
      const listener = await UDP.listen(scenario);
      await listener.aclose();
      return () => listener.sendTo(SOME, address);
    },
  },
  {
    name: 'a closed datagram listener: serve',
    prepare: async (scenario) => {
      const listener = await UDP.listen(scenario);
      await listener.aclose();
      return () => listener.serve(() => undefined);
    },
  },

  // ── opening sockets
  {
    name: 'open a TCP listener, and close it',
    prepare:
      async ({ backend }) =>
      async () => {
        const listeners = await backend.createTcpListeners('127.0.0.1', 0);
        for (const listener of listeners) await listener.aclose();
      },
  },
  {
    name: 'open a UDP listener, and close it',
    prepare:
      async ({ backend }) =>
      async () => {
        const listeners = await backend.createUdpListeners('127.0.0.1', 0);
        for (const listener of listeners) await listener.aclose();
      },
  },
  {
    name: 'open a UDP endpoint, and close it',
    prepare:
      async ({ backend }) =>
      async () => {
        const endpoint = await backend.createUdpEndpoint('127.0.0.1', 9);
        await endpoint.aclose();
      },
  },
  {
    name: 'listen on a Unix path that cannot be',
    prepare:
      async ({ backend }) =>
      () =>
        backend.createUnixStreamListener(NOWHERE),
  },
  {
    name: 'connect to a Unix path that cannot be',
    prepare:
      async ({ backend }) =>
      () =>
        backend.createUnixStreamConnection(NOWHERE),
  },
  {
    name: 'open a Unix datagram endpoint to a path that cannot be',
    prepare:
      async ({ backend }) =>
      () =>
        backend.createUnixDatagramEndpoint(NOWHERE),
  },
  {
    name: 'wrap an fd that is not open',
    prepare:
      async ({ backend }) =>
      () =>
        backend.wrapStreamSocket(1_000_000),
  },
  {
    name: 'listenersFromEnvironment without any',
    prepare:
      async ({ backend }) =>
      () =>
        backend.listenersFromEnvironment(),
  },

  // ── look-ups
  {
    name: 'getaddrinfo of a numeric host',
    prepare:
      async ({ backend }) =>
      () =>
        backend.getaddrinfo('127.0.0.1', 80),
  },
  {
    name: 'getaddrinfo of no host',
    prepare:
      async ({ backend }) =>
      () =>
        backend.getaddrinfo(null, 80),
  },
  {
    name: 'getaddrinfo with a family that does not exist',
    prepare:
      async ({ backend }) =>
      () =>
        backend.getaddrinfo('127.0.0.1', 80, { family: 12_345 }),
  },
  {
    name: 'getnameinfo in numbers',
    prepare: async ({ backend, subject }) => {
      const { NI_NUMERICHOST = 0, NI_NUMERICSERV = 0 } = subject.constants;
      return () =>
        backend.getnameinfo(
          { address: '127.0.0.1', port: 80, family: 'IPv4' },
          NI_NUMERICHOST | NI_NUMERICSERV,
        );
    },
  },
];

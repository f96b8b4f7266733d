// What is measured. Each scenario is one kind of work, its cases are sizes of it. The cards P1 to
// P11 have their names from the survey of published benchmarks that the scenarios follow. P12
// (concurrency) and P13 (the native boundary) are `npm run bench -- concurrency` and `-- native`.
import { availableParallelism } from 'node:os';

/**
 * @typedef {object} Case
 * @property {string} name
 * @property {string} title
 * @property {Record<string, number>} load Options of the load generator.
 * @property {Record<string, string>} [settings] Settings of the server.
 * @property {'veth'} [network] Between two network namespaces instead of over loopback.
 * @property {readonly string[]} [opponents] If not all of the scenario's.
 * @property {string} [kind] If not the scenario's.
 * @property {string} [mode] If not the scenario's.
 */
/**
 * @typedef {object} Scenario
 * @property {string} name
 * @property {string} card
 * @property {string} title
 * @property {'tcp' | 'unix' | 'udp' | 'unix-dgram'} transport
 * @property {string} kind What the server does: see servers/server-process.mjs.
 * @property {'echo' | 'send' | 'receive' | 'connect' | 'idle'} mode What the load generator does.
 * @property {'request' | 'datagram' | 'connection' | 'GB' | 'idle connection'} unit
 * @property {boolean} [unpinned] Server and load generator share all cores.
 * @property {string} base The opponent that the ratios divide by.
 * @property {readonly string[]} opponents
 * @property {readonly string[]} quick The opponents of a quick run, which has the first case alone.
 * @property {readonly Case[]} cases
 * @property {string} note What to know when reading the numbers.
 */

const streamEcho = [
  'native',
  'node',
  'net',
  'net-await',
  'net-onread',
  'bun',
  'deno',
  'uvloop',
  'libuv',
];

const kib = (/** @type {number} */ count) => ({
  name: `${String(count)}k`,
  title: `${String(count)} KiB, 10 connections`,
  load: { connections: 10, size: count * 1024 },
});
const thousand = {
  name: '1000b',
  title: '1,000 bytes, 50 connections',
  load: { connections: 50, size: 1000 },
};

/** @type {readonly Scenario[]} */
export const scenarios = [
  {
    name: 'tcp-echo',
    card: 'P1',
    title: 'TCP echo',
    transport: 'tcp',
    kind: 'echo',
    mode: 'echo',
    unit: 'request',
    base: 'net',
    opponents: [...streamEcho, 'uvloop-streams', 'uvloop-sockets'],
    quick: ['native', 'node', 'net', 'libuv'],
    cases: [
      thousand,
      kib(1),
      kib(10),
      kib(100),
      { ...thousand, name: 'veth', title: '1,000 bytes, 50 connections, veth', network: 'veth' },
    ],
    note:
      'One message under way on each connection, all of them from one client process. ' +
      'Every server receives up to 64 KiB at once.',
  },
  {
    name: 'tcp-lines',
    card: 'P2',
    title: 'TCP echo of lines',
    transport: 'tcp',
    kind: 'lines',
    mode: 'echo',
    unit: 'request',
    base: 'net',
    opponents: ['native', 'node', 'net', 'bun', 'deno', 'uvloop', 'libuv'],
    quick: ['native', 'net'],
    cases: [
      {
        name: '5x200b',
        title: '5 lines of 200 bytes a round trip, 10 connections',
        load: { connections: 10, size: 1000, lines: 5 },
      },
      {
        name: '5x1000b',
        title: '5 lines of 1,000 bytes a round trip, 10 connections',
        load: { connections: 10, size: 5000, lines: 5 },
      },
    ],
    note:
      'Each line is found and answered. The lines of one receive are answered together, where ' +
      'the runtime can (cork, gather, writelines).',
  },
  {
    name: 'tcp-work',
    card: 'P2',
    title: 'TCP echo with work in the handler',
    transport: 'tcp',
    kind: 'echo',
    mode: 'echo',
    unit: 'request',
    base: 'net',
    opponents: ['native', 'node', 'net', 'net-await', 'bun', 'deno'],
    quick: ['native', 'net'],
    cases: [10, 50].map((microseconds) => ({
      name: `${String(microseconds)}us`,
      title: `1,000 bytes, 50 connections, ${String(microseconds)} µs of JavaScript for each`,
      load: { connections: 50, size: 1000 },
      settings: { work: String(microseconds) },
    })),
    note:
      'The CPU time includes the work: so the ratios show how much of a lead is left once a ' +
      'handler does something.',
  },
  {
    name: 'tcp-bulk',
    card: 'P3',
    title: 'TCP, one way to the server',
    transport: 'tcp',
    kind: 'sink',
    mode: 'send',
    unit: 'GB',
    base: 'net',
    opponents: ['native', 'node', 'net', 'net-onread', 'bun', 'deno', 'uvloop', 'libuv'],
    quick: ['native', 'net'],
    cases: [
      { name: 'one', title: 'one connection', load: { connections: 1, size: 262144 } },
      { name: 'ten', title: '10 connections', load: { connections: 10, size: 262144 } },
    ],
    note: 'The server counts what it receives, and the client checks the count at the end.',
  },
  {
    name: 'tcp-bulk-echo',
    card: 'P3',
    title: 'TCP bulk echo',
    transport: 'tcp',
    kind: 'echo',
    mode: 'echo',
    unit: 'GB',
    base: 'net',
    opponents: [
      'native',
      'native-4',
      'native-8',
      'node',
      'net',
      'net-onread',
      'bun',
      'deno',
      'uvloop',
      'libuv',
    ],
    quick: ['native', 'net', 'net-onread'],
    cases: [
      {
        name: '8x1m',
        title: 'one connection, 8 messages of 1 MiB under way',
        load: { connections: 1, size: 1 << 20, window: 8 },
      },
    ],
    note:
      'GB counts the bytes that came back. With several buffers, one is filled while others are ' +
      'on their way out.',
  },
  {
    name: 'unix-echo',
    card: 'P4',
    title: 'Unix stream echo',
    transport: 'unix',
    kind: 'echo',
    mode: 'echo',
    unit: 'request',
    base: 'net',
    opponents: streamEcho,
    quick: ['native', 'net', 'libuv'],
    cases: [thousand, kib(1), kib(10), kib(100)],
    note: 'The same work as tcp-echo.',
  },
  {
    name: 'udp-echo',
    card: 'P5',
    title: 'UDP echo',
    transport: 'udp',
    kind: 'echo',
    mode: 'echo',
    unit: 'datagram',
    base: 'dgram',
    opponents: ['native', 'node', 'dgram', 'bun', 'deno', 'uvloop', 'libuv'],
    quick: ['native', 'dgram'],
    cases: [
      [128, 4, 8],
      [128, 1, 1],
      [128, 16, 16],
      [1400, 1, 1],
      [1400, 4, 8],
      [1400, 16, 16],
    ].map(([size, connections, window]) => ({
      name: `${String(size)}b-${String(connections * window)}`,
      title:
        `${String(size)} bytes, ` +
        `${String(connections * window)} under way from ${String(connections)} sockets`,
      load: { connections, size, window },
    })),
    note:
      'A datagram that is not answered within 100 ms counts as lost, and another one takes its ' +
      'place.',
  },
  {
    name: 'udp-oneway',
    card: 'P6',
    title: 'UDP, one way',
    transport: 'udp',
    kind: 'source',
    mode: 'receive',
    unit: 'datagram',
    base: 'dgram',
    opponents: ['native', 'native-send', 'node', 'dgram', 'bun', 'deno', 'libuv'],
    quick: ['native', 'dgram'],
    cases: [
      {
        name: 'send',
        title: 'sending 1,400 bytes',
        load: { size: 1400 },
        settings: { size: '1400' },
      },
      {
        name: 'send-gro',
        title: 'sending 1,400 bytes, the receiver has GRO on',
        load: { size: 1400, gro: 1 },
        settings: { size: '1400' },
      },
      {
        name: 'send-veth',
        title: 'sending 1,400 bytes, veth',
        load: { size: 1400 },
        settings: { size: '1400' },
        network: 'veth',
      },
      {
        name: 'receive',
        title: 'receiving 1,400 bytes',
        kind: 'sink',
        mode: 'send',
        load: { size: 1400 },
        opponents: ['native', 'node', 'dgram', 'bun', 'deno', 'libuv'],
      },
    ],
    note:
      'Sending: counted at the receiver, with the datagrams that its queue had no room for. Over ' +
      'loopback the sender pays for most of the way to the receiver’s queue. Receiving: counted ' +
      'at the server, while more is sent than any server can take.',
  },
  {
    name: 'unix-dgram',
    card: 'P7',
    title: 'Unix datagrams',
    transport: 'unix-dgram',
    kind: 'echo',
    mode: 'echo',
    unit: 'datagram',
    base: 'unix-dgram',
    opponents: ['native', 'unix-dgram', 'deno', 'python'],
    quick: ['native', 'unix-dgram'],
    cases: [
      {
        name: 'echo-64b',
        title: 'echo of 64 bytes, 8 clients',
        load: { connections: 8, size: 64 },
      },
      { name: 'echo-1k', title: 'echo of 1 KiB, 8 clients', load: { connections: 8, size: 1024 } },
      ...[64, 1024].flatMap((size) => [
        {
          name: `receive-${String(size)}b`,
          title: `receiving ${String(size)} bytes`,
          kind: 'sink',
          mode: 'send',
          load: { size },
        },
        {
          name: `send-${String(size)}b`,
          title: `sending ${String(size)} bytes`,
          kind: 'source',
          mode: 'receive',
          load: { size },
          settings: { size: String(size) },
          opponents: ['native', 'native-send', 'unix-dgram', 'python'],
        },
      ]),
    ],
    note:
      'The kernel lets few datagrams wait per socket (net.unix.max_dgram_qlen), so that senders ' +
      'wait for receivers.',
  },
  {
    name: 'fd-handover',
    card: 'P8',
    title: 'Accept, and hand the connection to another process',
    transport: 'tcp',
    kind: 'handover',
    mode: 'connect',
    unit: 'connection',
    base: 'child-process',
    opponents: ['native-fd', 'child-process', 'cluster'],
    quick: ['native-fd', 'child-process'],
    cases: [
      {
        name: '64b',
        title: 'one exchange of 64 bytes each, 10 at once',
        load: { connections: 10, size: 64 },
      },
    ],
    note: 'CPU time is that of both processes, which share a core.',
  },
  {
    name: 'tcp-workers',
    card: 'P9',
    title: 'TCP echo on several cores',
    transport: 'tcp',
    kind: 'echo',
    mode: 'echo',
    unit: 'request',
    unpinned: true,
    base: 'cluster',
    opponents: [
      'native-reuseport',
      'native-handover',
      'node-reuseport',
      'net-reuseport',
      'cluster',
    ],
    quick: ['native-reuseport', 'cluster'],
    cases: [1, 2, 4, 8]
      // The load generator needs a core, too: on a small machine it shares one with two workers.
      .filter((workers) => workers <= Math.max(2, availableParallelism() - 1))
      .map((workers) => ({
        name: String(workers),
        title: `${String(workers)} worker${workers === 1 ? '' : 's'}, 1,000 bytes, 50 connections`,
        load: { connections: 50, size: 1000 },
        settings: { workers: String(workers) },
      })),
    note:
      'Nothing is pinned: the workers and the load generator, one thread, share all cores, and ' +
      '“client %” is how much of one core the load generator took. With fewer cores than workers ' +
      'and one more, the rate is the machine’s limit: on two cores one worker and the load ' +
      'generator fill both, and a second worker can only take from them. CPU per request ' +
      'compares all the same: it is that of all threads of all processes of the server. With ' +
      'reusePort the kernel deals connections out by a hash, so that workers have unequal shares; handed over, ' +
      'connections come in turn.',
  },
  {
    name: 'idle',
    card: 'P10',
    title: 'Idle connections',
    transport: 'tcp',
    kind: 'echo',
    mode: 'idle',
    unit: 'idle connection',
    base: 'net',
    opponents: ['native', 'native-recv', 'node', 'net', 'bun', 'deno', 'uvloop', 'libuv'],
    quick: ['native-recv', 'net'],
    cases: [
      {
        name: '10000',
        title: '10,000 connections, each after one exchange of 64 bytes',
        load: { connections: 10_000, size: 64 },
      },
    ],
    note:
      'A fresh process each time; memory is what the process grew by. `native` holds a buffer of ' +
      '64 KiB for each connection, `native-recv` none.',
  },
  {
    name: 'accept',
    card: 'P11',
    title: 'Open, one exchange, close',
    transport: 'tcp',
    kind: 'echo',
    mode: 'connect',
    unit: 'connection',
    base: 'net',
    opponents: [
      'native',
      'native-recv',
      'node',
      'net',
      'net-await',
      'bun',
      'deno',
      'uvloop',
      'libuv',
    ],
    quick: ['native', 'net'],
    cases: [
      {
        name: '64b',
        title: '64 bytes, 10 connections at once',
        load: { connections: 10, size: 64 },
      },
    ],
    note: 'The client ends the connection first, and waits for the end of the other half.',
  },
  {
    name: 'timeout-overhead',
    card: 'P1',
    title: 'A timeout around every receive',
    transport: 'tcp',
    kind: 'echo',
    mode: 'echo',
    unit: 'request',
    base: 'native',
    opponents: ['native', 'native-timeout', 'node', 'node-timeout', 'net', 'net-timeout'],
    quick: ['native', 'native-timeout'],
    cases: [thousand],
    note: 'What a timeout costs is the difference between the lines with and without one.',
  },
];

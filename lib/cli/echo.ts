import { parseArgs } from 'node:util';
import {
  type AsyncBackend,
  type AsyncDatagramListener,
  type AsyncListener,
  type AsyncStreamTransport,
  type InetAddress,
  newBuiltinBackend,
  type UnixPath,
  type TaskGroup,
} from '../index';
import {
  type Endpoint,
  ENDPOINT_HELP,
  formatEndpoint,
  parseEndpoint,
  UsageError,
} from './endpoint';
import { ignoringPeer } from './ignoring-peer';
import { interruptSignal } from './interrupt';
import { describeListener } from './listening';

const HELP = `Usage: sockscope echo ENDPOINT...

Sends back all data that it receives, on all endpoints at once, until SIGINT or SIGTERM.
Then it accepts no more connections, gives open connections the grace time to end, and
prints its totals. A second signal ends it at once.

Endpoints:
${ENDPOINT_HELP.split('\n').slice(0, 4).join('\n')}

Options:
  --buffer BYTES     receive buffer of each connection (default 65536)
  --grace SECONDS    time for open connections after the first signal (default 2)
  --quiet            print no counters
  -h, --help         this help
`;

interface Counters {
  connections: number;
  open: number;
  messages: number;
  bytes: number;
}

type Datagrams = AsyncDatagramListener<InetAddress> | AsyncDatagramListener<UnixPath>;
type Service = { readonly endpoint: Endpoint } & (
  | { readonly kind: 'stream'; readonly listener: AsyncListener<AsyncStreamTransport> }
  | { readonly kind: 'datagram'; readonly listener: Datagrams }
);

export async function echo(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      buffer: { type: 'string', default: '65536' },
      grace: { type: 'string', default: '2' },
      quiet: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  if (positionals.length === 0)
    throw new UsageError('echo needs an endpoint, for example tcp:127.0.0.1:7000');
  const bufferSize = parseNumber('--buffer', values.buffer, 1, 1 << 30);
  const grace = parseNumber('--grace', values.grace, 0, 86_400) * 1000;
  const endpoints = positionals.map((text) =>
    parseEndpoint(text, ['tcp', 'udp', 'unix', 'unixgram']),
  );
  const backend = newBuiltinBackend('native');
  const counters: Counters = { connections: 0, open: 0, messages: 0, bytes: 0 };
  const interrupt = interruptSignal();
  try {
    await backend.bootstrap(() =>
      serveAll(backend, endpoints, bufferSize, grace, counters, interrupt.signal, values.quiet),
    );
  } finally {
    interrupt.dispose();
  }
  process.stderr.write(`${describe(counters)}\n`);
  return 0;
}

async function serveAll(
  backend: AsyncBackend,
  endpoints: readonly Endpoint[],
  bufferSize: number,
  grace: number,
  counters: Counters,
  signal: AbortSignal,
  quiet: boolean,
): Promise<void> {
  const services: Service[] = [];
  try {
    for (const endpoint of endpoints) services.push(...(await listen(backend, endpoint)));
    for (const { listener, endpoint } of services)
      process.stdout.write(`listening on ${describeListener(listener, endpoint)}\n`);
    await backend.createTaskGroup().run(async (connections) => {
      if (!quiet) connections.startSoon(() => report(backend, counters), { name: 'counters' });
      // The signal ends the listeners. The connections are tasks of the outer group, and have the
      // grace time to end.
      await backend.openCancelScope({ signal }).run(() =>
        backend.createTaskGroup().run((accepting) => {
          for (const service of services) {
            accepting.startSoon(() => serve(service, connections, bufferSize, counters), {
              name: formatEndpoint(service.endpoint),
            });
          }
        }),
      );
      await closeAll(services);
      await backend.moveOnAfter(grace).run(async () => {
        while (counters.open > 0) await backend.sleep(20);
      });
      connections.cancelScope.cancel();
    });
  } finally {
    await closeAll(services);
  }
}

async function listen(backend: AsyncBackend, endpoint: Endpoint): Promise<Service[]> {
  switch (endpoint.kind) {
    case 'tcp': {
      const listeners = await backend.createTcpListeners(endpoint.host, endpoint.port);
      return listeners.map((listener) => ({ kind: 'stream', endpoint, listener }));
    }
    case 'udp': {
      const listeners = await backend.createUdpListeners(endpoint.host, endpoint.port);
      return listeners.map((listener) => ({ kind: 'datagram', endpoint, listener }));
    }
    case 'unix':
      return [
        {
          kind: 'stream',
          endpoint,
          listener: await backend.createUnixStreamListener(endpoint.path),
        },
      ];
    case 'unixgram':
      return [
        {
          kind: 'datagram',
          endpoint,
          listener: await backend.createUnixDatagramListener(endpoint.path),
        },
      ];
    default:
      throw new UsageError(`echo cannot listen on ${formatEndpoint(endpoint)}`);
  }
}

function serve(
  service: Service,
  connections: TaskGroup | undefined,
  bufferSize: number,
  counters: Counters,
): Promise<never> {
  if (service.kind === 'stream')
    return service.listener.serve(
      (connection) => echoStream(connection, bufferSize, counters),
      connections,
    );
  const listener = service.listener as AsyncDatagramListener<InetAddress | UnixPath>;
  return listener.serve(async (data, address) => {
    count(counters, data.byteLength);
    // A Unix socket without a name has no address to answer to.
    if (address !== '') await ignoringPeer(() => listener.sendTo(data, address));
  }, connections);
}

async function echoStream(
  connection: AsyncStreamTransport,
  bufferSize: number,
  counters: Counters,
): Promise<void> {
  counters.connections++;
  counters.open++;
  const buffer = new Uint8Array(bufferSize);
  try {
    await ignoringPeer(async () => {
      for (
        let size = await connection.recvInto(buffer);
        size > 0;
        size = await connection.recvInto(buffer)
      ) {
        await connection.sendAll(buffer.subarray(0, size));
        count(counters, size);
      }
    });
  } finally {
    counters.open--;
    await connection.aclose();
  }
}

function count(counters: Counters, size: number): void {
  counters.messages++;
  counters.bytes += size;
}

async function closeAll(services: readonly Service[]): Promise<void> {
  for (const { listener } of services) await listener.aclose();
}

async function report(backend: AsyncBackend, counters: Counters): Promise<never> {
  const rewrite = process.stderr.isTTY;
  let before = { ...counters };
  for (;;) {
    await backend.sleep(1000);
    const messages = (counters.messages - before.messages).toLocaleString('en');
    const rate = `${messages} messages/s, ${megabytes(counters.bytes - before.bytes)}/s`;
    const changed = counters.messages !== before.messages || counters.open !== before.open;
    before = { ...counters };
    if (rewrite) process.stderr.write(`\r\x1b[K${describe(counters)}; ${rate}`);
    else if (changed) process.stderr.write(`${describe(counters)}; ${rate}\n`);
  }
}

function describe({ connections, open, messages, bytes }: Counters): string {
  const counted = `${messages.toLocaleString('en')} messages, ${megabytes(bytes)}`;
  return `${String(connections)} connections (${String(open)} open), ${counted}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function parseNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= min && value <= max))
    throw new UsageError(
      `${name} must be a number from ${String(min)} to ${String(max)}, not "${text}"`,
    );
  return value;
}

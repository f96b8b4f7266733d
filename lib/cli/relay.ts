import { parseArgs } from 'node:util';
import {
  type AsyncBackend,
  type AsyncListener,
  type AsyncStreamTransport,
  CancelledError,
  constants,
  newBuiltinBackend,
  Socket,
} from '../index';
import { describeError } from './describe-error';
import {
  type Endpoint,
  ENDPOINT_HELP,
  formatEndpoint,
  parseEndpoint,
  UsageError,
} from './endpoint';
import { interruptSignal } from './interrupt';
import { describeListener } from './listening';
import { StdioStream } from './stdio-stream';

const HELP = `Usage: sockscope relay LISTEN CONNECT

Relays bytes between two endpoints, in both directions. The end of one direction is passed
on as a half-close, and the other direction goes on.

If LISTEN is tcp, unix or a listening fd, the relay serves many connections until SIGINT or
SIGTERM, and opens one to CONNECT for each. With stdio, or an fd that is a connection, it
serves one connection, and ends with it.

Endpoints:
${ENDPOINT_HELP.split('\n')
  .filter((line) => !/udp|unixgram|datagram/i.test(line))
  .join('\n')}

Options:
  --buffer BYTES     buffer of each direction (default 65536)
  -v, --verbose      print a line when a connection opens or ends
  -h, --help         this help

Examples:
  sockscope relay tcp:127.0.0.1:8080 unix:/run/app.sock
  sockscope relay stdio tcp:example.test:25
`;

/** The part of a stream transport that a relay uses. Standard input and output have it too. */
export type RelayStream = Pick<AsyncStreamTransport, 'recvInto' | 'sendAll' | 'sendEof' | 'aclose'>;

const KINDS = ['tcp', 'unix', 'fd', 'stdio'] as const;

export async function relay(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      buffer: { type: 'string', default: '65536' },
      verbose: { type: 'boolean', short: 'v', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const [from, to, ...rest] = positionals;
  if (from === undefined || to === undefined || rest.length > 0)
    throw new UsageError('relay needs two endpoints: LISTEN and CONNECT');
  const bufferSize = Number(values.buffer);
  if (!Number.isInteger(bufferSize) || bufferSize < 1 || bufferSize > 1 << 30)
    throw new UsageError(
      `--buffer must be a whole number from 1 to ${String(1 << 30)}, not "${values.buffer}"`,
    );
  const listen = parseEndpoint(from, KINDS);
  const connect = parseEndpoint(to, KINDS);
  if (listen.kind === 'stdio' && connect.kind === 'stdio')
    throw new UsageError('relay cannot connect stdio to itself: name another endpoint');
  const log = (line: string): void => {
    if (values.verbose) process.stderr.write(`${line}\n`);
  };

  const backend = newBuiltinBackend('native');
  const interrupt = interruptSignal();
  try {
    await backend.bootstrap(() =>
      backend.openCancelScope({ signal: interrupt.signal }).run(async () => {
        const entrance = await openEntrance(backend, listen);
        if ('recvInto' in entrance) await relayOnce(backend, entrance, connect, bufferSize);
        else await serveAndRelay(backend, entrance, listen, connect, bufferSize, log);
      }),
    );
  } finally {
    interrupt.dispose();
  }
  return 0;
}

type Listener = AsyncListener<AsyncStreamTransport>;

async function openEntrance(
  backend: AsyncBackend,
  endpoint: Endpoint,
): Promise<readonly Listener[] | RelayStream> {
  switch (endpoint.kind) {
    case 'tcp':
      return backend.createTcpListeners(endpoint.host, endpoint.port);
    case 'unix':
      return [await backend.createUnixStreamListener(endpoint.path)];
    case 'fd': {
      const socket = Socket.fromFd(endpoint.fd);
      const isListening =
        socket.getsockopt(constants['SOL_SOCKET'] ?? 0, constants['SO_ACCEPTCONN'] ?? 0) !== 0;
      return isListening
        ? [await backend.wrapListenerSocket(socket)]
        : backend.wrapStreamSocket(socket);
    }
    default:
      return openExit(backend, endpoint);
  }
}

async function serveAndRelay(
  backend: AsyncBackend,
  listeners: readonly Listener[],
  listen: Endpoint,
  connect: Endpoint,
  bufferSize: number,
  log: (line: string) => void,
): Promise<void> {
  try {
    for (const listener of listeners)
      process.stderr.write(`listening on ${describeListener(listener, listen)}\n`);
    if (connect.kind === 'stdio' || connect.kind === 'fd') {
      const connection = await acceptOne(backend, listeners);
      await closeAll(listeners);
      log('connection opened');
      await relayOnce(backend, connection, connect, bufferSize);
    } else {
      await serveAll(backend, listeners, (connection) =>
        relayConnection(backend, connection, connect, bufferSize, log),
      );
    }
  } finally {
    await closeAll(listeners);
  }
}

async function serveAll(
  backend: AsyncBackend,
  listeners: readonly Listener[],
  handler: (connection: AsyncStreamTransport) => Promise<void>,
): Promise<void> {
  await backend.createTaskGroup().run((group) => {
    for (const listener of listeners) group.startSoon(() => listener.serve(handler));
  });
}

async function closeAll(listeners: readonly Listener[]): Promise<void> {
  for (const listener of listeners) await listener.aclose();
}

async function openExit(backend: AsyncBackend, endpoint: Endpoint): Promise<RelayStream> {
  switch (endpoint.kind) {
    case 'tcp':
      return backend.createTcpConnection(
        endpoint.host === '' ? 'localhost' : endpoint.host,
        endpoint.port,
      );
    case 'unix':
      return backend.createUnixStreamConnection(endpoint.path);
    case 'fd':
      return backend.wrapStreamSocket(endpoint.fd);
    case 'stdio':
      return new StdioStream(backend);
    default:
      throw new UsageError(`relay cannot connect to ${formatEndpoint(endpoint)}`);
  }
}

/** Accepts the first connection, and closes any other. */
async function acceptOne(
  backend: AsyncBackend,
  listeners: readonly Listener[],
): Promise<AsyncStreamTransport> {
  const accepted: AsyncStreamTransport[] = [];
  const accepting = backend.openCancelScope();
  try {
    await accepting.run(() =>
      serveAll(backend, listeners, async (connection) => {
        if (accepted.push(connection) > 1) await connection.aclose();
        else accepting.cancel();
      }),
    );
  } catch (error) {
    for (const connection of accepted) await connection.aclose();
    throw error;
  }
  return accepted[0] as AsyncStreamTransport;
}

/** Relays one connection of many. An error is printed, and ends this connection alone. */
async function relayConnection(
  backend: AsyncBackend,
  connection: AsyncStreamTransport,
  exit: Endpoint,
  bufferSize: number,
  log: (line: string) => void,
): Promise<void> {
  log('connection opened');
  try {
    await relayOnce(backend, connection, exit, bufferSize);
    log('connection ended');
  } catch (error) {
    if (error instanceof CancelledError) throw error;
    process.stderr.write(`sockscope: ${describeError(error)}\n`);
  }
}

/**
 * Relays both directions until both have ended, and closes both streams. If one direction fails,
 * the other is cancelled.
 */
async function relayOnce(
  backend: AsyncBackend,
  entrance: RelayStream,
  to: Endpoint,
  bufferSize: number,
): Promise<void> {
  try {
    const exit = await openExit(backend, to);
    try {
      await backend.createTaskGroup().run((group) => {
        group.startSoon(() => pump(entrance, exit, bufferSize), { name: 'inwards' });
        group.startSoon(() => pump(exit, entrance, bufferSize), { name: 'outwards' });
      });
    } finally {
      await exit.aclose();
    }
  } finally {
    await entrance.aclose();
  }
}

async function pump(from: RelayStream, to: RelayStream, bufferSize: number): Promise<void> {
  const buffer = new Uint8Array(bufferSize);
  for (let size = await from.recvInto(buffer); size > 0; size = await from.recvInto(buffer)) {
    await to.sendAll(buffer.subarray(0, size));
  }
  await to.sendEof();
}

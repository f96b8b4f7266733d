import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket as NetSocket } from 'node:net';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import {
  type AsyncBackend,
  type AsyncBaseTransport,
  type AsyncListener,
  type AsyncStreamTransport,
  type CancelScope,
  constants,
  type InetAddress,
  newBuiltinBackend,
  Socket,
  SocketAttribute,
} from '#lib/index';
import { expectNoLeaks } from '../support/fds';
import { type PythonPeer, startPython } from '../support/python';
import { abstractSocketName, shortSocketPath } from '../support/socket-path';

export const backend: AsyncBackend = newBuiltinBackend('native');

/** To be called at the top of a test file: the file must end with the open fds it began with. */
export function expectCleanEnd(): void {
  // The first wait opens the epoll set, which stays open. It must not be opened while a test
  // counts fds.
  beforeAll(async () => {
    const [left, right] = Socket.pair();
    await backend.moveOnAfter(1).run(() => left.readable());
    left.close();
    right.close();
  });
  expectNoLeaks();
  // Hooks at the end run in reverse order, so this one runs before the fds are counted.
  afterAll(async () => {
    for (const peer of idle.splice(0)) await peer[Symbol.asyncDispose]();
  });
}

/** A constant that this platform has. */
export function constant(name: string): number {
  const value = constants[name];
  if (value === undefined) throw new Error(`no constant ${name} here`);
  return value;
}

// ── what a test opens is closed at the end of the test, also if the test failed

const opened: (() => unknown)[] = [];

export function atEnd(close: () => unknown): void {
  opened.push(close);
}

export function track<T extends AsyncBaseTransport>(transport: T): T {
  atEnd(() => transport.aclose());
  return transport;
}

afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

/** A running python3 program. */
export type Peer = Pick<PythonPeer, 'pid' | 'tell' | 'hear' | 'end' | 'kill'>;

/**
 * A python3 program that runs other programs, one after another: starting python3 takes longer than
 * most tests. What a program opened is closed at its end.
 */
const interpreter = `
while True:
    exec(hear(), dict(globals()))
    say('the program has ended')
`;
const ENDED = 'the program has ended';
const idle: PythonPeer[] = [];

/**
 * Starts a python3 program (see `startPython`) that ends with the test. Its process runs no other
 * program at the same time, but may have run programs before.
 */
export function python(program: string): Peer {
  const process = idle.pop() ?? startPython(interpreter);
  process.tell(program);
  let isDone = false;
  const hear = async <T>(timeout?: number): Promise<T> => {
    const value = await process.hear(timeout);
    isDone = value === ENDED;
    return value as T;
  };
  atEnd(async () => {
    if (isDone) idle.push(process);
    else await process[Symbol.asyncDispose]();
  });
  return {
    pid: process.pid,
    tell: process.tell,
    hear: async <T>(timeout?: number) => {
      const value = await hear<T>(timeout);
      if (isDone) throw new Error('the python3 program ended, and said nothing');
      return value;
    },
    end: async (timeout) => {
      const value = await hear(timeout);
      if (!isDone)
        throw new Error(`the python3 program said ${JSON.stringify(value)} instead of ending`);
    },
    kill: process.kill,
  };
}

// ── streams

export type StreamKind = 'tcp' | 'unix';
export const STREAM_KINDS: readonly StreamKind[] = ['tcp', 'unix'];

export const portOf = (transport: AsyncBaseTransport): number =>
  (transport.extra(SocketAttribute.localAddress) as InetAddress).port;

export async function listenTcp(
  host = '127.0.0.1',
  port = 0,
): Promise<AsyncListener<AsyncStreamTransport>> {
  const [listener] = await backend.createTcpListeners(host, port);
  return track(listener!);
}

/** The address at which node:net, or python through `pythonConnect`, reaches a listener. */
export async function listen(
  kind: StreamKind,
): Promise<{ listener: AsyncListener<AsyncStreamTransport>; target: number | string }> {
  if (kind === 'tcp') {
    const listener = await listenTcp();
    return { listener, target: portOf(listener) };
  }
  const path = shortSocketPath();
  return { listener: track(await backend.createUnixStreamListener(path)), target: path };
}

export const connectTo = async (target: number | string): Promise<AsyncStreamTransport> =>
  track(
    typeof target === 'number'
      ? await backend.createTcpConnection('127.0.0.1', target)
      : await backend.createUnixStreamConnection(target),
  );

/** Python source that defines `connect(target)` and `listen(kind, path)`. */
export const pythonConnect = `
def connect(target):
    if isinstance(target, int): return socket.create_connection(('127.0.0.1', target))
    s = socket.socket(socket.AF_UNIX); s.connect(target); return s
def listen(kind, path):
    if kind == 'tcp':
        l = socket.create_server(('127.0.0.1', 0)); return l, l.getsockname()[1]
    l = socket.socket(socket.AF_UNIX); l.bind(path); l.listen(); return l, path
`;

/** A node:net server. */
export async function netServer(
  kind: StreamKind,
  onConnection: (socket: NetSocket) => void,
): Promise<{ server: Server; target: number | string }> {
  const sockets = new Set<NetSocket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  const path = shortSocketPath();
  server.listen(kind === 'tcp' ? { port: 0, host: '127.0.0.1' } : { path });
  await once(server, 'listening');
  atEnd(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return { server, target: kind === 'tcp' ? (server.address() as AddressInfo).port : path };
}

/**
 * A transport connected to python, where `program` has the other end as `peer`, and can accept
 * further connections from `listener`.
 */
export async function withPython(
  kind: StreamKind,
  program: string,
): Promise<{ transport: AsyncStreamTransport; peer: Peer; target: number | string }> {
  const path = kind === 'tcp' ? '' : shortSocketPath();
  const peer = python(`${pythonConnect}
listener, target = listen(${JSON.stringify(kind)}, ${JSON.stringify(path)})
say(target)
peer, _ = listener.accept()
${program}`);
  const target = await peer.hear<number | string>();
  return { transport: await connectTo(target), peer, target };
}

/**
 * Accepts one connection, and takes it out of its handler. The listener goes on listening, and
 * serves no more.
 */
export async function acceptOne(
  listener: AsyncListener<AsyncStreamTransport>,
): Promise<AsyncStreamTransport> {
  let accepted: AsyncStreamTransport | undefined;
  const scope = backend.openCancelScope();
  await scope.run(() =>
    listener.serve((connection) => {
      accepted = track(connection);
      scope.cancel();
    }),
  );
  return accepted!;
}

/** Receives until the end of the stream. */
export async function readAll(transport: AsyncStreamTransport): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (let part = await transport.recv(65536); part.length > 0; part = await transport.recv(65536))
    parts.push(part);
  return Buffer.concat(parts);
}

/** Receives exactly `size` bytes. */
export async function readExactly(transport: AsyncStreamTransport, size: number): Promise<Buffer> {
  const buffer = Buffer.alloc(size);
  for (let got = 0; got < size;) {
    const count = await transport.recvInto(buffer.subarray(got));
    if (count === 0) throw new Error(`the stream ended after ${got} of ${size} bytes`);
    got += count;
  }
  return buffer;
}

/** Sends until the kernel takes no more, and leaves that send pending in a scope of its own. */
export async function fillUp(
  transport: AsyncStreamTransport,
): Promise<{ scope: CancelScope; pending: Promise<unknown> }> {
  const scope = backend.openCancelScope();
  const pending = scope.run(() => transport.sendAll(new Uint8Array(64 * 1024 * 1024)));
  await turns(2);
  expect(await isPending(pending)).toBe(true);
  return { scope, pending };
}

// ── waiting

/** Waits for turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await backend.coroYield();
}

/** Whether a promise is still pending after some turns of the event loop. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(
    () => (settled = true),
    () => (settled = true),
  );
  await turns(3);
  return !settled;
}

/** The error that a promise rejects with. Fails if the promise resolves. */
export async function rejection(
  promise: Promise<unknown>,
): Promise<Error & { code?: string; cause?: unknown }> {
  const outcome = await promise.then(
    (value: unknown) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in outcome) return outcome.error as Error & { code?: string };
  throw new Error(`expected a rejection, got ${String(outcome.value)}`);
}

/** Waits for a condition that has no event: polls in each turn of the loop, up to 10 seconds. */
export async function until(condition: () => boolean, what = 'the condition'): Promise<void> {
  const deadline = backend.currentTime() + 10_000;
  while (!condition()) {
    if (backend.currentTime() > deadline) throw new Error(`${what} did not come true within 10 s`);
    await backend.sleep(1);
  }
}

export { abstractSocketName, shortSocketPath };
export { seededRandom as pseudoRandom } from '../support/random.mjs';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ancillaryBufferSize,
  AsyncExecutor,
  type AsyncBackend,
  type AsyncDatagramListener,
  type AsyncDatagramTransport,
  type AsyncListener,
  type AsyncStreamTransport,
  closeReceivedFds,
  constants,
  type InetAddress,
  newBuiltinBackend,
  Socket,
  SocketAttribute,
  SocketOptions,
  takeReceivedFd,
} from '#lib/index';
import { expectNoLeaks } from '../support/fds';

expectNoLeaks();

class OwnError extends Error {}

const throwing: ProxyHandler<object> = new Proxy(
  {},
  {
    get: () => () => {
      throw new OwnError('a trap');
    },
  },
);

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

function detached(): Uint8Array {
  const bytes = new Uint8Array(4);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

const fn = (): void => undefined;

/** Values that look like arguments. */
const HOSTILE = {
  undefined: undefined,
  null: null,
  true: true,
  NaN: NaN,
  Infinity: Infinity,
  '-Infinity': -Infinity,
  '-1': -1,
  '1.5': 1.5,
  '2 ** 31': 2 ** 31,
  '2 ** 32': 2 ** 32,
  '2 ** 53': 2 ** 53,
  '1n': 1n,
  'a symbol': Symbol('hostile'),
  "''": '',
  "'80'": '80',
  "' 80'": ' 80',
  "'+80'": '+80',
  "'0x50'": '0x50',
  "'8e1'": '8e1',
  "'-1'": '-1',
  "'70000'": '70000',
  "'80\\0'": '80\0',
  '{}': {},
  '[]': [],
  "['read']": ['read'],
  '[1]': [1],
  'a function': fn,
  'a date': new Date(0),
  'a fake Uint8Array': Object.create(Uint8Array.prototype) as unknown,
  'a detached Uint8Array': detached(),
  'an ArrayBuffer': new ArrayBuffer(4),
  'a proxy of a Uint8Array': new Proxy(new Uint8Array(4), {}),
  'a proxy whose traps throw': new Proxy({}, throwing),
  'a function proxy whose traps throw': new Proxy(fn, throwing),
  'a revoked proxy': revoked({}),
  'a revoked proxy of an array': revoked([]),
  'a revoked proxy of a function': revoked(fn),
} as const;

type Name = keyof typeof HOSTILE;
const names = Object.keys(HOSTILE) as Name[];

/** What a parameter takes among these values: everything else must be refused. */
interface Case {
  readonly title: string;
  readonly takes: readonly Name[];
  readonly call: (value: never) => unknown;
}

/** What refuses an argument: an error with the documented class and code, or the value's own. */
function isRefusal(error: unknown): boolean {
  if (error instanceof OwnError) return true;
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (/on a proxy that has been revoked|not a typed array/.test(String(message))) return true;
  // The `node` backend has no Unix datagrams, and takes no datagram socket by its fd.
  if (code === 'ERR_UNSUPPORTED_OPERATION') return true;
  if (error instanceof TypeError) return code === 'ERR_INVALID_ARG_TYPE';
  return error instanceof RangeError && code === 'ERR_OUT_OF_RANGE';
}

/** 'refused', or what happened instead. */
async function outcomeOf(call: () => unknown, isAsync: boolean): Promise<unknown> {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    if (isAsync) return `thrown, and not rejected: ${String(error)}`;
    return isRefusal(error) ? 'refused' : error;
  }
  if (!isAsync) return `returned: ${typeof result}`;
  if (!(result instanceof Promise)) return `returned ${typeof result}, and no promise`;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, 3000, 'still waiting after 3 seconds');
  });
  try {
    const value: unknown = await Promise.race([result, late]);
    return `resolved: ${typeof value === 'string' ? value : typeof value}`;
  } catch (error) {
    return isRefusal(error) ? 'refused' : error;
  } finally {
    clearTimeout(timer);
  }
}

const OPTIONAL = ['undefined'] as const;
/** Objects without any property that an option reads. */
const OBJECTS = [
  '{}', '[]', "['read']", '[1]', 'a date', 'a fake Uint8Array', 'a detached Uint8Array', 'an ArrayBuffer',
  'a proxy of a Uint8Array',
] as const; // prettier-ignore
const PATHS = ["'80'", "' 80'", "'+80'", "'0x50'", "'8e1'", "'-1'", "'70000'"] as const;
const FUNCTIONS = [
  'a function',
  'a function proxy whose traps throw',
  'a revoked proxy of a function',
] as const;

interface Subjects {
  readonly backend: AsyncBackend;
  readonly stream: AsyncStreamTransport;
  readonly datagrams: AsyncDatagramTransport;
  readonly listener: AsyncListener<AsyncStreamTransport>;
  readonly datagramListener: AsyncDatagramListener<InetAddress>;
}

let subjects: Subjects;
const bytes = Buffer.from('x');
const address = (): InetAddress =>
  subjects.datagramListener.extra(SocketAttribute.localAddress) as InetAddress;

/** The methods that return promises, one case for each parameter. */
const asyncCases: readonly Case[] = [
  { title: 'bootstrap(main)', takes: FUNCTIONS, call: (v) => subjects.backend.bootstrap(v) },
  {
    title: 'bootstrap(, options)',
    takes: [...OPTIONAL, ...OBJECTS],
    call: (v) => subjects.backend.bootstrap(fn, v),
  },
  { title: 'sleep(delay)', takes: ['Infinity', '1.5', '2 ** 31', '2 ** 32', '2 ** 53'], call: (v) => subjects.backend.sleep(v) },
  { title: 'sleepUntil(deadline)', takes: ['Infinity', '-Infinity', '-1', '1.5', '2 ** 31', '2 ** 32', '2 ** 53'], call: (v) => subjects.backend.sleepUntil(v) },
  { title: 'ignoreCancellation(fn)', takes: FUNCTIONS, call: (v) => subjects.backend.ignoreCancellation(v) },
  { title: 'waitFor(promise)', takes: [], call: (v) => subjects.backend.waitFor(v) },
  { title: 'gather(fn)', takes: FUNCTIONS, call: (v) => subjects.backend.gather(v) },
  { title: 'run(body) of a group', takes: FUNCTIONS, call: (v) => subjects.backend.createTaskGroup().run(v) },
  { title: 'run(body) of a scope', takes: FUNCTIONS, call: (v) => subjects.backend.openCancelScope().run(v) },
  { title: 'run(body) of a timeout', takes: FUNCTIONS, call: (v) => subjects.backend.timeout(1e6).run(v) },
  { title: 'runExclusive(fn)', takes: FUNCTIONS, call: (v) => subjects.backend.createLock().runExclusive(v) },
  { title: 'runInThread(fn)', takes: [], call: (v) => subjects.backend.runInThread(v) },
  { title: 'runInThread({ module })', takes: ["'80'", "' 80'", "'+80'", "'0x50'", "'8e1'", "'-1'", "'70000'", "'80\\0'"], call: (v) => subjects.backend.runInThread({ module: v }) },
  { title: 'runInThread(, args)', takes: ['undefined', '[]', "['read']", '[1]'], call: (v) => subjects.backend.runInThread({ module: 'node:path', name: 'sep' }, v) },
  { title: 'runInThread(,, options)', takes: [...OPTIONAL, ...OBJECTS], call: (v) => subjects.backend.runInThread({ module: 'node:path', name: 'sep' }, [], v) },
  { title: 'shutdown(options) of an executor', takes: [...OPTIONAL, ...OBJECTS], call: (v) => new AsyncExecutor(subjects.backend).shutdown(v) },
  { title: 'run(fn) of an executor', takes: [], call: (v) => new AsyncExecutor(subjects.backend).run(v) },
  { title: 'getaddrinfo(host)', takes: ['null', "''", "'80'", "' 80'", "'+80'", "'0x50'", "'8e1'", "'-1'", "'70000'"], call: (v) => subjects.backend.getaddrinfo(v, 80) },
  { title: 'getaddrinfo(, port)', takes: ['null', "'80'"], call: (v) => subjects.backend.getaddrinfo('127.0.0.1', v) },
  { title: 'getaddrinfo(,, hints)', takes: [...OPTIONAL, ...OBJECTS], call: (v) => subjects.backend.getaddrinfo('127.0.0.1', 80, v) },
  { title: 'getaddrinfo(,, { family })', takes: OPTIONAL, call: (v) => subjects.backend.getaddrinfo('127.0.0.1', 80, { family: v }) },
  { title: 'getaddrinfo(,, { type })', takes: OPTIONAL, call: (v) => subjects.backend.getaddrinfo('127.0.0.1', 80, { type: v }) },
  { title: 'getaddrinfo(,, { proto })', takes: OPTIONAL, call: (v) => subjects.backend.getaddrinfo('127.0.0.1', 80, { proto: v }) },
  { title: 'getaddrinfo(,, { flags })', takes: OPTIONAL, call: (v) => subjects.backend.getaddrinfo('127.0.0.1', 80, { flags: v }) },
  { title: 'getnameinfo(address)', takes: [], call: (v) => subjects.backend.getnameinfo(v) },
  { title: 'getnameinfo({ port })', takes: [], call: (v) => subjects.backend.getnameinfo({ address: '127.0.0.1', family: 'IPv4', port: v }) },
  { title: 'getnameinfo({ scopeId })', takes: ['undefined', '2 ** 31'], call: (v) => subjects.backend.getnameinfo({ address: '::1', family: 'IPv6', port: 1, scopeId: v }) },
  { title: 'getnameinfo(, flags)', takes: OPTIONAL, call: (v) => subjects.backend.getnameinfo(address(), v) },
  { title: 'createTcpConnection(host)', takes: PATHS, call: (v) => subjects.backend.createTcpConnection(v, 9) },
  { title: 'createTcpConnection(, port)', takes: [], call: (v) => subjects.backend.createTcpConnection('127.0.0.1', v) },
  { title: 'createTcpConnection(,, options)', takes: [...OPTIONAL, ...OBJECTS], call: (v) => subjects.backend.createTcpConnection('127.0.0.1', 9, v) },
  { title: 'createTcpConnection(,, { localAddress })', takes: OPTIONAL, call: (v) => subjects.backend.createTcpConnection('127.0.0.1', 9, { localAddress: v }) },
  { title: 'createTcpConnection(,, { localAddress: { port } })', takes: [], call: (v) => subjects.backend.createTcpConnection('127.0.0.1', 9, { localAddress: { host: '127.0.0.1', port: v } }) },
  { title: 'createTcpConnection(,, { happyEyeballsDelay })', takes: ['undefined', 'Infinity', '1.5', '2 ** 31', '2 ** 32', '2 ** 53'], call: (v) => subjects.backend.createTcpConnection('127.0.0.1', 9, { happyEyeballsDelay: v }) },
  { title: 'createUnixStreamConnection(path)', takes: [...PATHS, "''"], call: (v) => subjects.backend.createUnixStreamConnection(v) },
  { title: 'createUnixStreamConnection(, options)', takes: [...OPTIONAL, ...OBJECTS], call: (v) => subjects.backend.createUnixStreamConnection('/nowhere', v) },
  { title: 'createUdpEndpoint(host)', takes: PATHS, call: (v) => subjects.backend.createUdpEndpoint(v, 9) },
  { title: 'createUdpEndpoint(, port)', takes: [], call: (v) => subjects.backend.createUdpEndpoint('127.0.0.1', v) },
  { title: 'createUdpEndpoint(,, { family })', takes: OPTIONAL, call: (v) => subjects.backend.createUdpEndpoint('127.0.0.1', 9, { family: v }) },
  { title: 'createUnixDatagramEndpoint(path)', takes: [...PATHS, "''"], call: (v) => subjects.backend.createUnixDatagramEndpoint(v) },
  { title: 'wrapStreamSocket(socket)', takes: ['2 ** 31'], call: (v) => subjects.backend.wrapStreamSocket(v) },
  { title: 'wrapConnectedDatagramSocket(socket)', takes: ['2 ** 31'], call: (v) => subjects.backend.wrapConnectedDatagramSocket(v) },
  { title: 'wrapListenerSocket(socket)', takes: ['2 ** 31'], call: (v) => subjects.backend.wrapListenerSocket(v) },
  { title: 'wrapDatagramListenerSocket(socket)', takes: ['2 ** 31'], call: (v) => subjects.backend.wrapDatagramListenerSocket(v) },
  { title: 'createTcpListeners(host)', takes: ['null', "''", ...PATHS, "['read']"], call: (v) => subjects.backend.createTcpListeners(v, 0) },
  { title: 'createTcpListeners(, port)', takes: [], call: (v) => subjects.backend.createTcpListeners('127.0.0.1', v) },
  { title: 'createTcpListeners(,, { backlog })', takes: OPTIONAL, call: (v) => subjects.backend.createTcpListeners('127.0.0.1', 0, { backlog: v }) },
  { title: 'createTcpListeners(,, { reusePort })', takes: ['undefined', 'true'], call: (v) => subjects.backend.createTcpListeners('127.0.0.1', 0, { reusePort: v }) },
  { title: 'createUnixStreamListener(path)', takes: [...PATHS, "''"], call: (v) => subjects.backend.createUnixStreamListener(v) },
  { title: 'createUnixStreamListener(, { mode })', takes: OPTIONAL, call: (v) => subjects.backend.createUnixStreamListener('/nowhere/x', { mode: v }) },
  { title: 'createUdpListeners(, port)', takes: [], call: (v) => subjects.backend.createUdpListeners('127.0.0.1', v) },
  { title: 'createUdpListeners(,, options)', takes: [...OPTIONAL, ...OBJECTS], call: (v) => subjects.backend.createUdpListeners('127.0.0.1', 0, v) },
  { title: 'recv(bufsize)', takes: [], call: (v) => subjects.stream.recv(v) },
  { title: 'recvInto(buffer)', takes: [], call: (v) => subjects.stream.recvInto(v) },
  { title: 'recvIntoMany(buffers)', takes: ['[]'], call: (v) => subjects.stream.recvIntoMany(v) },
  { title: 'recvIntoMany([buffer])', takes: [], call: (v) => subjects.stream.recvIntoMany([bytes, v]) },
  { title: 'sendAll(data)', takes: [], call: (v) => subjects.stream.sendAll(v) },
  { title: 'sendAllFromIterable(data)', takes: ['[]', "''"], call: (v) => subjects.stream.sendAllFromIterable(v) },
  { title: 'sendAllFromIterable([data])', takes: [], call: (v) => subjects.stream.sendAllFromIterable([v]) },
  { title: 'serve(handler)', takes: FUNCTIONS, call: (v) => subjects.listener.serve(v) },
  { title: 'serve(, options)', takes: [...OPTIONAL, ...OBJECTS], call: (v) => subjects.listener.serve(fn, v) },
  { title: 'recvInto(buffer) of datagrams', takes: [], call: (v) => subjects.datagrams.recvInto(v) },
  { title: 'recvMany(max)', takes: [], call: (v) => subjects.datagrams.recvMany(v) },
  { title: 'send(data)', takes: [], call: (v) => subjects.datagrams.send(v) },
  { title: 'sendMany(packets)', takes: ['[]'], call: (v) => subjects.datagrams.sendMany(v) },
  { title: 'sendMany([packet])', takes: [], call: (v) => subjects.datagrams.sendMany([v]) },
  { title: 'serve(handler) of datagrams', takes: FUNCTIONS, call: (v) => subjects.datagramListener.serve(v) },
  { title: 'sendTo(data)', takes: [], call: (v) => subjects.datagramListener.sendTo(v, address()) },
  { title: 'sendTo(, address)', takes: [...PATHS, "''"], call: (v) => subjects.datagramListener.sendTo(bytes, v) },
  { title: 'sendTo(, { port })', takes: [], call: (v) => subjects.datagramListener.sendTo(bytes, { ...address(), port: v }) },
]; // prettier-ignore

describe.each(['native', 'node'] as const)('methods that return promises (%s)', (name) => {
  beforeAll(async () => {
    const backend = newBuiltinBackend(name);
    const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
    const [datagramListener] = await backend.createUdpListeners('127.0.0.1', 0);
    if (listener === undefined || datagramListener === undefined) throw new Error('no listener');
    const { port } = listener.extra(SocketAttribute.localAddress) as InetAddress;
    const to = datagramListener.extra(SocketAttribute.localAddress) as InetAddress;
    subjects = {
      backend,
      listener,
      datagramListener,
      stream: await backend.createTcpConnection('127.0.0.1', port),
      datagrams: await backend.createUdpEndpoint('127.0.0.1', to.port),
    };
  });
  afterAll(async () => {
    const { stream, datagrams, listener, datagramListener } = subjects;
    for (const each of [stream, datagrams, listener, datagramListener]) await each.aclose();
  });

  it.each(asyncCases)('reject a hostile $title', async ({ takes, call }) => {
    const unexpected: Record<string, unknown> = {};
    for (const hostile of names.filter((each) => !takes.includes(each))) {
      const outcome = await outcomeOf(() => call(HOSTILE[hostile] as never), true);
      if (outcome !== 'refused') unexpected[hostile] = outcome;
    }
    expect(unexpected).toEqual({});
  });

  it('send the bytes of a view whose properties lie, and no others', async () => {
    const { backend, stream } = subjects;
    const liar = Object.defineProperty(new Uint8Array(3), 'byteLength', { value: 100 });
    const scope = backend.moveOnAfter(5000);
    await scope.run(() => stream.sendAll(liar));
    expect(scope.cancelledCaught()).toBe(false);
  });
});

const withSocket = <R>(use: (socket: Socket) => R): R => {
  const socket = Socket.create(constants['AF_INET'] ?? 0, constants['SOCK_STREAM'] ?? 0);
  try {
    return use(socket);
  } finally {
    socket.close();
  }
};
const withOptions = (set: (options: SocketOptions) => void): void => {
  withSocket((socket) => {
    set(new SocketOptions(socket));
  });
};
const { SOL_SOCKET = 0, SO_RCVBUF = 0 } = constants;
const NUMBERS = ['Infinity', '-Infinity', '-1', '1.5', '2 ** 31', '2 ** 32', '2 ** 53'] as const;

/** The functions that throw. */
const syncCases: readonly Case[] = [
  { title: 'newBuiltinBackend(name)', takes: [], call: (v) => newBuiltinBackend(v) },
  { title: 'openCancelScope(options)', takes: [...OPTIONAL, ...OBJECTS], call: (v) => newBuiltinBackend('node').openCancelScope(v) },
  { title: 'moveOnAfter(delay)', takes: NUMBERS, call: (v) => newBuiltinBackend('node').moveOnAfter(v) },
  { title: 'timeoutAt(deadline)', takes: NUMBERS, call: (v) => newBuiltinBackend('node').timeoutAt(v) },
  { title: 'createConditionVar(lock)', takes: OPTIONAL, call: (v) => newBuiltinBackend('node').createConditionVar(v) },
  { title: 'Socket.create(family)', takes: [], call: (v) => Socket.create(v, 1) },
  { title: 'Socket.create(, type)', takes: [], call: (v) => Socket.create(2, v) },
  { title: 'Socket.create(,, protocol)', takes: OPTIONAL, call: (v) => { Socket.create(2, 1, v).close(); } },
  { title: 'Socket.fromFd(fd)', takes: [], call: (v) => Socket.fromFd(v) },
  { title: 'Socket.pair(family)', takes: OPTIONAL, call: (v) => Socket.pair(v) },
  { title: 'bind(address)', takes: [...PATHS, "''"], call: (v) => { withSocket((s) => { s.bind(v); }); } },
  { title: 'bind({ port })', takes: [], call: (v) => { withSocket((s) => { s.bind({ address: '127.0.0.1', family: 'IPv4', port: v }); }); } },
  { title: 'bind({ sockaddr })', takes: [], call: (v) => { withSocket((s) => { s.bind({ sockaddr: v }); }); } },
  { title: 'listen(backlog)', takes: OPTIONAL, call: (v) => { withSocket((s) => { s.listen(v); }); } },
  { title: 'connect(address)', takes: [...PATHS, "''"], call: (v) => withSocket((s) => s.connect(v)) },
  { title: 'recv(buffer)', takes: [], call: (v) => withSocket((s) => s.recv(v)) },
  { title: 'recv(, flags)', takes: OPTIONAL, call: (v) => withSocket((s) => s.recv(bytes, v)) },
  { title: 'send(buffer)', takes: [], call: (v) => withSocket((s) => s.send(v)) },
  { title: 'recvmsg(buffers)', takes: ['[]'], call: (v) => withSocket((s) => s.recvmsg(v)) },
  { title: 'recvmsg(, ancillaryBufsize)', takes: OPTIONAL, call: (v) => withSocket((s) => s.recvmsg([bytes], v)) },
  { title: 'sendmsg(buffers)', takes: ['[]'], call: (v) => withSocket((s) => s.sendmsg(v)) },
  { title: 'sendmsg(, options)', takes: [...OPTIONAL, ...OBJECTS], call: (v) => withSocket((s) => s.sendmsg([bytes], v)) },
  { title: 'sendmsg(, { ancillary: { fds } })', takes: ['undefined', '[]', '[1]'], call: (v) => withSocket((s) => s.sendmsg([bytes], { ancillary: { fds: v } })) },
  { title: 'getsockopt(level)', takes: ['-1'], call: (v) => withSocket((s) => s.getsockopt(v, SO_RCVBUF)) },
  { title: 'getsockopt(, option)', takes: ['-1'], call: (v) => withSocket((s) => s.getsockopt(SOL_SOCKET, v)) },
  { title: 'getsockopt(,, length)', takes: OPTIONAL, call: (v) => withSocket((s) => s.getsockopt(SOL_SOCKET, SO_RCVBUF, v)) },
  { title: 'setsockopt(,, value)', takes: ['true', '-1', '2 ** 31'], call: (v) => { withSocket((s) => { s.setsockopt(SOL_SOCKET, SO_RCVBUF, v); }); } },
  { title: 'shutdown(how)', takes: [], call: (v) => { withSocket((s) => { s.shutdown(v); }); } },
  { title: 'SocketOptions.noDelay', takes: ['true'], call: (v) => { withOptions((o) => { o.noDelay = v; }); } },
  { title: 'SocketOptions.keepAlive', takes: ['null', 'true', ...OBJECTS], call: (v) => { withOptions((o) => { o.keepAlive = v; }); } },
  { title: 'SocketOptions.keepAlive.idle', takes: ['undefined', '1.5'], call: (v) => { withOptions((o) => { o.keepAlive = { idle: v }; }); } },
  { title: 'SocketOptions.linger', takes: ['null', '1.5'], call: (v) => { withOptions((o) => { o.linger = v; }); } },
  { title: 'SocketOptions.receiveBufferSize', takes: [], call: (v) => { withOptions((o) => { o.receiveBufferSize = v; }); } },
  { title: 'SocketOptions.userTimeout', takes: [], call: (v) => { withOptions((o) => { o.userTimeout = v; }); } },
  { title: 'ancillaryBufferSize(fds)', takes: [], call: (v) => ancillaryBufferSize(v) },
  { title: 'closeReceivedFds(ancillary)', takes: OBJECTS, call: (v) => { closeReceivedFds(v); } },
  { title: 'takeReceivedFd(fd)', takes: [], call: (v) => takeReceivedFd(v) },
]; // prettier-ignore

describe('functions that throw', () => {
  it.each(syncCases)('refuse a hostile $title', async ({ takes, call }) => {
    const unexpected: Record<string, unknown> = {};
    for (const hostile of names.filter((each) => !takes.includes(each))) {
      const outcome = await outcomeOf(() => call(HOSTILE[hostile] as never), false);
      if (outcome !== 'refused') unexpected[hostile] = outcome;
    }
    expect(unexpected).toEqual({});
  });
});

// What must compile, and what must not: `npm run types` reads this file, and nothing runs it.
import {
  BaseStreamReadTransport,
  BusyResourceError,
  CancelledError,
  ClosedResourceError,
  connectThreadsPortal,
  constants,
  ensureBackend,
  newBuiltinBackend,
  Socket,
  SocketAttribute,
  TimeoutError,
  UnsupportedOperationError,
  type AddrInfo,
  type AncillaryData,
  type AsyncBackend,
  type AsyncBaseTransport,
  type AsyncDatagramListener,
  type AsyncDatagramTransport,
  type AsyncListener,
  type AsyncStreamReadTransport,
  type AsyncStreamTransport,
  type AsyncStreamWriteTransport,
  type Awaitable,
  type BuiltinBackendName,
  type Bytes,
  type CancelScope,
  type ICondition,
  type IEvent,
  type ILock,
  type InetAddress,
  type PeerCredentials,
  type PortalHandle,
  type SocketAddress,
  type Task,
  type TaskGroup,
  type TaskInfo,
  type ThreadsPortal,
  type TimeoutScope,
  type TypedAttribute,
  type UnixPath,
} from '#lib/index';

/** Compiles only if both types are the same. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._proof: Same<A, B> extends true ? [] : ['these types differ', A, B]): void {
  return;
}

export function errors(): void {
  same<CancelledError['code'], 'ABORT_ERR'>();
  same<TimeoutError['code'], 'ETIMEDOUT'>();
  same<UnsupportedOperationError['code'], 'ERR_UNSUPPORTED_OPERATION'>();
  same<ClosedResourceError['code'], 'ERR_CLOSED_RESOURCE'>();
  same<BusyResourceError['code'], 'ERR_BUSY_RESOURCE'>();
  const error: Error = new CancelledError();
  // @ts-expect-error The code is not to be written.
  new CancelledError().code = 'ABORT_ERR';
  void error;
}

export function choosing(): void {
  same<BuiltinBackendName, 'native' | 'node'>();
  same<ReturnType<typeof newBuiltinBackend>, AsyncBackend>();
  // @ts-expect-error There is no such backend.
  newBuiltinBackend('other');
  const backend = ensureBackend();
  ensureBackend(backend);
  ensureBackend('node');
  same<ReturnType<AsyncBackend['getCancelledErrorClass']>, typeof CancelledError>();
}

export async function running(backend: AsyncBackend, signal: AbortSignal): Promise<void> {
  const viaBootstrap = () => backend.bootstrap(() => 1, { name: 'main', signal });
  same<number, Awaited<ReturnType<typeof viaBootstrap>>>();
  const viaPromise: Promise<string> = backend.bootstrap(async () => 'text');
  void viaPromise;

  const [a, b] = await backend.gather(
    () => 1,
    async () => 'two',
  );
  same<typeof a, number>();
  same<typeof b, string>();
  // @ts-expect-error Functions, not promises: a promise runs already.
  await backend.gather(Promise.resolve(1));

  const shielded = () => backend.ignoreCancellation(async () => 1);
  same<number, Awaited<ReturnType<typeof shielded>>>();
  const waited = () => backend.waitFor(Promise.resolve(true));
  same<boolean, Awaited<ReturnType<typeof waited>>>();
  same<Promise<never>, ReturnType<AsyncBackend['sleepForever']>>();
  await backend.sleep(10);
  // @ts-expect-error A time is a number of milliseconds.
  await backend.sleep('10');
  const info: TaskInfo = backend.getCurrentTask();
  // @ts-expect-error A task's name is given when it starts.
  info.name = 'other';
}

export async function scopes(backend: AsyncBackend, signal: AbortSignal): Promise<void> {
  const moved: CancelScope = backend.moveOnAfter(100);
  const maybe = await moved.run(async (scope) => {
    same<typeof scope, CancelScope>();
    return 1;
  });
  same<typeof maybe, number | undefined>();

  const timed: TimeoutScope = backend.timeout(100);
  const sure = await timed.run(async () => 1);
  same<typeof sure, number>();

  moved.deadline = Infinity;
  moved.reschedule(backend.currentTime() + 10);
  const out: AbortSignal = backend.openCancelScope({ signal, deadline: 10 }).signal;
  // @ts-expect-error It is the scope's own.
  moved.signal = out;
}

export async function tasks(backend: AsyncBackend): Promise<void> {
  const group: TaskGroup = backend.createTaskGroup();
  const result = await group.run(async (inner) => {
    inner.startSoon(() => 1, { name: 'child' });
    const task: Task<string> = await inner.start(async () => 'text');
    same<Awaited<ReturnType<typeof task.join>>, string>();
    same<Awaited<ReturnType<typeof task.joinOrCancel>>, string>();
    same<ReturnType<typeof task.cancel>, boolean>();
    inner.cancelScope.cancel();
    return task.info.id;
  });
  same<typeof result, number | undefined>();
  // @ts-expect-error A function, not a promise: a promise runs already.
  group.startSoon(Promise.resolve());
}

export async function locks(backend: AsyncBackend): Promise<void> {
  const lock: ILock = backend.createLock();
  using guard = await lock.acquire();
  void guard;
  const exclusive = () => lock.runExclusive(async () => 1);
  same<number, Awaited<ReturnType<typeof exclusive>>>();
  const event: IEvent = backend.createEvent();
  await event.wait();
  const condition: ICondition = backend.createConditionVar(backend.createFairLock());
  condition.notify(2);
  // @ts-expect-error An event is no lock.
  backend.createConditionVar(event);
}

export async function networking(backend: AsyncBackend): Promise<void> {
  await using stream: AsyncStreamTransport = await backend.createTcpConnection('localhost', 80, {
    localAddress: { host: '::1', port: 0 },
    happyEyeballsDelay: 250,
  });
  const readable: AsyncStreamReadTransport = stream;
  const writable: AsyncStreamWriteTransport = stream;
  const base: AsyncBaseTransport = stream;
  void base;
  same<Awaited<ReturnType<typeof readable.recv>>, Uint8Array>();
  // Any view of memory, shared or not.
  const views: Bytes[] = [
    new Uint8Array(1),
    new Float64Array(1),
    new DataView(new SharedArrayBuffer(1)),
    Buffer.alloc(1),
  ];
  await readable.recvIntoMany(views);
  await writable.sendAllFromIterable(new Set(views));
  // @ts-expect-error A buffer has no place to write to until it is a view.
  await readable.recvInto(new ArrayBuffer(1));
  // @ts-expect-error Text has no bytes until it is encoded.
  await writable.sendAll('text');
  const ancillary: AncillaryData = { fds: [1], credentials: { pid: 1, uid: 1, gid: 1 } };
  await writable.sendAllWithAncillary([Buffer.alloc(1)], ancillary);

  const datagram: AsyncDatagramTransport = await backend.createUdpEndpoint('localhost', 53);
  same<Awaited<ReturnType<typeof datagram.recvMany>>, Uint8Array[]>();
  // @ts-expect-error A datagram has no end of stream.
  await datagram.sendEof();

  const listeners: AsyncListener<AsyncStreamTransport>[] = await backend.createTcpListeners(
    null,
    0,
    { backlog: 5, reusePort: true },
  );
  const group = backend.createTaskGroup();
  void listeners[0]?.serve(async (connection) => connection.aclose(), group);
  const udp: AsyncDatagramListener<InetAddress>[] = await backend.createUdpListeners(
    ['127.0.0.1', '::1'],
    0,
  );
  void udp[0]?.serve(async (_data, address) => udp[0]?.sendTo(Buffer.alloc(1), address));
  const unix: AsyncDatagramListener<UnixPath> = await backend.createUnixDatagramListener(
    Buffer.from('\0name'),
    { mode: 0o600 },
  );
  // @ts-expect-error A Unix listener sends to paths.
  await unix.sendTo(Buffer.alloc(1), { address: '::1', port: 1, family: 'IPv6' });

  const credentials = stream.extra(SocketAttribute.peerCredentials);
  same<typeof credentials, PeerCredentials>();
  const attribute: TypedAttribute<number> = SocketAttribute.family;
  const family: number = stream.extra(attribute, 0);
  // @ts-expect-error The fallback is of the attribute's type.
  stream.extra(attribute, 'none');

  const found: AddrInfo[] = await backend.getaddrinfo('localhost', 'http', {
    family,
    flags: constants['AI_PASSIVE'] ?? 0,
  });
  const [host, service] = await backend.getnameinfo(
    found[0]?.address ?? { address: '::1', port: 1, family: 'IPv6' },
  );
  same<[typeof host, typeof service], [string, string]>();
}

export function sockets(): void {
  using socket = Socket.create(1, 2, 0);
  const [left, right]: [Socket, Socket] = Socket.pair();
  same<ReturnType<typeof socket.recv>, number | null>();
  same<ReturnType<typeof socket.accept>, Socket | null>();
  const message = left.recvmsg([new Uint8Array(1)], 100, 0);
  if (message !== null) {
    const { bytes, flags, address, ancillary } = message;
    same<[typeof bytes, typeof flags], [number, number]>();
    same<typeof address, SocketAddress | null>();
    const fds: readonly number[] | undefined = ancillary.fds;
    void fds;
  }
  right.sendmsg([], { address: { address: '127.0.0.1', port: 1, family: 'IPv4' } });
  const option = () => socket.getsockopt(1, 2);
  same<number, ReturnType<typeof option>>();
  const bytes: Uint8Array = socket.getsockopt(1, 2, 4);
  socket.setsockopt(1, 2, bytes);
  socket.setsockopt(1, 2, true);
  socket.shutdown('write');
  // @ts-expect-error No such direction.
  socket.shutdown('out');
  // @ts-expect-error The fd is the socket's own.
  socket.fd = 1;
}

export async function threads(backend: AsyncBackend, transferred: PortalHandle): Promise<void> {
  const result = await backend.runInThread<number>(
    { module: new URL('file:///work.mjs'), name: 'work' },
    [1],
    { abandonOnCancel: true },
  );
  same<typeof result, number>();
  const functions = { add: async (a: number, b: number) => a + b, name: () => 'text' };
  const portal: ThreadsPortal<typeof functions> = backend.createThreadsPortal(functions);
  await portal.run((inner) => inner.handle());
  const calls = connectThreadsPortal<typeof functions>(transferred);
  const sum: number = calls.runCoroutine('add', 1, 2);
  const soon = calls.runSyncSoon('name');
  same<Awaited<typeof soon>, string>();
  // @ts-expect-error It takes numbers.
  void calls.runCoroutine('add', 'a', sum);
  // @ts-expect-error There is no such function.
  void calls.runSync('other');
}

/** A value or a promise of it: what every body may return. */
export const awaitable: Awaitable<number>[] = [1, Promise.resolve(1)];

export async function customTransports(backend: AsyncBackend): Promise<void> {
  class Zeros extends BaseStreamReadTransport {
    async recvInto(buffer: Bytes): Promise<number> {
      return buffer.byteLength;
    }
  }
  // A subclass needs no constructor of its own.
  await using zeros = new Zeros(backend);
  const readable: AsyncStreamReadTransport = zeros;
  void readable;
}

import { describe, expect, it } from 'vitest';
import {
  ClosedResourceError,
  constants,
  type InetAddress,
  newBuiltinBackend,
  Socket,
  SocketAttribute,
  SocketOptions,
} from '#lib/index';
import { expectNoLeaks } from '../support/fds';

expectNoLeaks();

const {
  AF_INET = 0,
  AF_UNIX = 0,
  SOCK_STREAM = 0,
  SOCK_DGRAM = 0,
  SOL_SOCKET = 0,
  SO_RCVBUF = 0,
} = constants;
const bytes = Buffer.from('x');
const address: InetAddress = { address: '127.0.0.1', port: 9, family: 'IPv4' };

const calls: Record<string, (socket: Socket) => unknown> = {
  bind: (socket) => { socket.bind(address); },
  listen: (socket) => { socket.listen(); },
  connect: (socket) => socket.connect(address),
  accept: (socket) => socket.accept(),
  recv: (socket) => socket.recv(bytes),
  send: (socket) => socket.send(bytes),
  recvmsg: (socket) => socket.recvmsg([bytes], 64),
  sendmsg: (socket) => socket.sendmsg([bytes], { address }),
  getsockopt: (socket) => socket.getsockopt(SOL_SOCKET, SO_RCVBUF),
  'getsockopt of bytes': (socket) => socket.getsockopt(SOL_SOCKET, SO_RCVBUF, 4),
  setsockopt: (socket) => { socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 9000); },
  'setsockopt of bytes': (socket) => { socket.setsockopt(SOL_SOCKET, SO_RCVBUF, new Uint8Array(4)); },
  localAddress: (socket) => socket.localAddress(),
  remoteAddress: (socket) => socket.remoteAddress(),
  shutdown: (socket) => { socket.shutdown('both'); },
  dup: (socket) => socket.dup(),
  detach: (socket) => socket.detach(),
  'options.noDelay': (socket) => new SocketOptions(socket).noDelay,
  'options.noDelay =': (socket) => { new SocketOptions(socket).noDelay = true; },
  'options.keepAlive': (socket) => new SocketOptions(socket).keepAlive,
  'options.keepAlive =': (socket) => { new SocketOptions(socket).keepAlive = { idle: 1000 }; },
  'options.linger': (socket) => new SocketOptions(socket).linger,
  'options.linger =': (socket) => { new SocketOptions(socket).linger = null; },
  'options.receiveBufferSize': (socket) => new SocketOptions(socket).receiveBufferSize,
  'options.tcpInfo': (socket) => new SocketOptions(socket).tcpInfo(),
  'options.queueSizes': (socket) => new SocketOptions(socket).queueSizes(),
}; // prettier-ignore

function codeOf(call: () => unknown): unknown {
  try {
    return `returned ${String(call())}`;
  } catch (error) {
    return error instanceof ClosedResourceError ? error.code : error;
  }
}

describe.each([
  [
    'closed',
    (socket: Socket): unknown => {
      socket.close();
      return undefined;
    },
  ],
  ['detached', (socket: Socket): unknown => Socket.fromFd(socket.detach()).close()],
] as const)('a Socket that was %s', (_how, end) => {
  // prettier-ignore
  it.each(Object.entries(calls))('throws ERR_CLOSED_RESOURCE from %s', (_name, call) => {
    const socket = Socket.create(AF_INET, SOCK_STREAM);
    end(socket);
    expect(codeOf(() => call(socket))).toBe('ERR_CLOSED_RESOURCE');
  });

  it('rejects with ERR_CLOSED_RESOURCE from readable and writable', async () => {
    const socket = Socket.create(AF_INET, SOCK_STREAM);
    end(socket);
    await expect(socket.readable()).rejects.toBeInstanceOf(ClosedResourceError);
    await expect(socket.writable()).rejects.toBeInstanceOf(ClosedResourceError);
  });
});

describe('a Socket that an argument closes in the middle of the call', () => {
  /** An object whose property closes the socket when it is read. */
  const closing = <T extends object>(socket: Socket, key: string, value: unknown, rest: T): T =>
    Object.defineProperty(rest, key, {
      enumerable: true,
      get() {
        socket.close();
        return value;
      },
    });
  const calls: Record<string, (socket: Socket) => unknown> = {
    bind: (socket) => {
      socket.bind(closing(socket, 'port', 0, { ...address }));
    },
    connect: (socket) => socket.connect(closing(socket, 'address', '127.0.0.1', { ...address })),
    recvmsg: (socket) => socket.recvmsg(closing(socket, '0', bytes, [])),
    'sendmsg by a buffer': (socket) => socket.sendmsg(closing(socket, '0', bytes, [])),
    'sendmsg by options': (socket) => socket.sendmsg([bytes], closing(socket, 'flags', 0, {})),
    'sendmsg by ancillary data': (socket) =>
      socket.sendmsg([bytes], { ancillary: closing(socket, 'fds', [0], {}) }),
    'sendmsg by an address': (socket) =>
      socket.sendmsg([bytes], { address: closing(socket, 'port', 9, { ...address }) }),
  };

  it.each(Object.entries(calls))('throws ERR_CLOSED_RESOURCE from %s', (_name, call) => {
    const socket = Socket.create(AF_INET, SOCK_DGRAM);
    expect(codeOf(() => call(socket))).toBe('ERR_CLOSED_RESOURCE');
  });
});

describe('attributes of a transport that is closed', () => {
  it('are missing because it is closed, and not for a code of the system', async () => {
    const backend = newBuiltinBackend('native');
    const [left, right] = Socket.pair(AF_UNIX, SOCK_STREAM);
    const transport = await backend.wrapStreamSocket(left);
    const { options, socket } = SocketAttribute;
    const kept = { options: transport.extra(options), socket: transport.extra(socket) };
    await transport.aclose();
    right.close();
    for (const attribute of [
      SocketAttribute.localAddress,
      SocketAttribute.remoteAddress,
      SocketAttribute.peerCredentials,
    ]) {
      expect(() => transport.extra<unknown>(attribute)).toThrow(
        expect.objectContaining({
          code: 'ERR_ATTRIBUTE_LOOKUP',
          cause: expect.any(ClosedResourceError) as unknown,
        }) as Error,
      );
    }
    expect(codeOf(() => kept.options.receiveBufferSize)).toBe('ERR_CLOSED_RESOURCE');
    expect(codeOf(() => kept.socket.localAddress())).toBe('ERR_CLOSED_RESOURCE');
  });

  it('that were never read are missing for the same reason', async () => {
    const backend = newBuiltinBackend('native');
    const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
    await listener?.aclose();
    expect(() => listener?.extra(SocketAttribute.options)).toThrow(
      expect.objectContaining({ cause: expect.any(ClosedResourceError) as unknown }) as Error,
    );
  });
});

describe.each(['native', 'node'] as const)('calls on closed transports (%s)', (name) => {
  it('reject with ERR_CLOSED_RESOURCE', async () => {
    const backend = newBuiltinBackend(name);
    const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
    const [datagramListener] = await backend.createUdpListeners('127.0.0.1', 0);
    if (listener === undefined || datagramListener === undefined) throw new Error('no listener');
    const { port } = listener.extra(SocketAttribute.localAddress) as InetAddress;
    const stream = await backend.createTcpConnection('127.0.0.1', port);
    const to = datagramListener.extra(SocketAttribute.localAddress) as InetAddress;
    const datagrams = await backend.createUdpEndpoint('127.0.0.1', to.port);
    for (const each of [stream, datagrams, listener, datagramListener]) await each.aclose();
    const attempts: Record<string, Promise<unknown>> = {
      recv: stream.recv(1),
      recvInto: stream.recvInto(Buffer.alloc(1)),
      recvIntoMany: stream.recvIntoMany([Buffer.alloc(1)]),
      sendAll: stream.sendAll(bytes),
      sendAllFromIterable: stream.sendAllFromIterable([bytes]),
      serve: listener.serve(() => undefined),
      'recv of a datagram': datagrams.recv(),
      'recvInto of a datagram': datagrams.recvInto(Buffer.alloc(1)),
      recvMany: datagrams.recvMany(2),
      send: datagrams.send(bytes),
      sendMany: datagrams.sendMany([bytes]),
      'serve of datagrams': datagramListener.serve(() => undefined),
      sendTo: datagramListener.sendTo(bytes, to),
    };
    for (const [method, promise] of Object.entries(attempts))
      await expect(promise, method).rejects.toMatchObject({ code: 'ERR_CLOSED_RESOURCE' });
  });
});

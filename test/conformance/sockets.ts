import { execFileSync } from 'node:child_process';
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import {
  connect,
  createServer,
  type ListenOptions,
  type NetConnectOpts,
  Socket as NetSocket,
} from 'node:net';
import type { SocketOffers, TestResources } from '#lib/conformance/index';
import type { InetAddress, UnixPath } from '#lib/contract/addresses';
import { constants } from '#lib/socket/platform-constants';
import { Socket } from '#lib/socket/socket';

const { AF_INET, AF_UNIX, SOCK_STREAM, SOCK_DGRAM } = constants as { [name: string]: number };
const ANY_PORT: InetAddress = { address: '127.0.0.1', port: 0, family: 'IPv4' };

interface Opened {
  readonly socket: unknown;
}
interface Connected<S> {
  readonly socket: S;
  readonly peer: NetSocket;
}
interface Listening {
  readonly socket: Socket;
  readonly address: NetConnectOpts;
}

function create(family: number | undefined, type: number | undefined): Socket {
  return Socket.create(family ?? -1, type ?? -1);
}

async function connected(socket: Socket, address: InetAddress | UnixPath): Promise<Socket> {
  if (!socket.connect(address)) await socket.writable();
  return socket;
}

/** The same socket as an fd without an owner. */
function bare<T extends { readonly socket: Socket }, Given extends unknown[]>(
  open: (test: TestResources, ...given: Given) => Promise<T>,
): (test: TestResources, ...given: Given) => Promise<Omit<T, 'socket'> & { socket: number }> {
  return async (...args) => {
    const opened = await open(...args);
    return { ...opened, socket: opened.socket.detach() };
  };
}

// ── streams

/** A server of node:net, and the first connection that it accepts. */
async function netServer(
  test: TestResources,
  options: ListenOptions,
): Promise<{ port: number; accepted: Promise<NetSocket> }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  const accepted = new Promise<NetSocket>((resolve) => {
    server.once('connection', (socket) => {
      test.atEnd(() => socket.destroy());
      resolve(socket);
    });
  });
  test.atEnd(() => server.close());
  server.listen(options);
  await once(server, 'listening');
  const address = server.address();
  return { port: typeof address === 'object' ? (address?.port ?? 0) : 0, accepted };
}

async function connectedTcp(test: TestResources): Promise<Connected<Socket>> {
  const { port, accepted } = await netServer(test, { host: '127.0.0.1', port: 0 });
  const socket = await connected(create(AF_INET, SOCK_STREAM), { ...ANY_PORT, port });
  return { socket, peer: await accepted };
}

async function connectedUnix(test: TestResources): Promise<Connected<Socket>> {
  const path = test.freshPath();
  const { accepted } = await netServer(test, { path });
  const socket = await connected(create(AF_UNIX, SOCK_STREAM), path);
  return { socket, peer: await accepted };
}

/** One end of socketpair(2); the other end becomes a net.Socket. */
async function halfOfPair(test: TestResources): Promise<Connected<Socket>> {
  const [socket, other] = Socket.pair();
  const peer = new NetSocket({
    fd: other.detach(),
    allowHalfOpen: true,
    readable: true,
    writable: true,
  });
  test.atEnd(() => peer.destroy());
  return { socket, peer };
}

async function dialledNetSocket(test: TestResources): Promise<Connected<NetSocket>> {
  const { port, accepted } = await netServer(test, { host: '127.0.0.1', port: 0 });
  const socket = connect({ host: '127.0.0.1', port });
  await once(socket, 'connect');
  return { socket, peer: await accepted };
}

/** Accepted by a server with the defaults of node:net: it closes itself at the end of its input. */
async function acceptedNetSocket(test: TestResources): Promise<Connected<NetSocket>> {
  const path = test.freshPath();
  const server = createServer();
  server.listen({ path });
  test.atEnd(() => server.close());
  await once(server, 'listening');
  const peer = connect({ path, allowHalfOpen: true });
  test.atEnd(() => peer.destroy());
  const [[socket]] = await Promise.all([
    once(server, 'connection') as Promise<[NetSocket]>,
    once(peer, 'connect'),
  ]);
  return { socket, peer };
}

async function listeningTcp(): Promise<Listening> {
  const socket = create(AF_INET, SOCK_STREAM);
  socket.bind(ANY_PORT);
  socket.listen();
  const { port } = socket.localAddress() as InetAddress;
  return { socket, address: { host: '127.0.0.1', port } };
}

async function listeningUnix(test: TestResources): Promise<Listening> {
  const path = test.freshPath();
  const socket = create(AF_UNIX, SOCK_STREAM);
  socket.bind(path);
  socket.listen();
  return { socket, address: { path } };
}

// ── datagrams

async function connectedUdp(
  _test: TestResources,
  peer: InetAddress,
): Promise<{ readonly socket: Socket }> {
  return { socket: await connected(create(AF_INET, SOCK_DGRAM), peer) };
}

async function boundUdp(): Promise<{ readonly socket: Socket }> {
  const socket = create(AF_INET, SOCK_DGRAM);
  socket.bind(ANY_PORT);
  return { socket };
}

async function connectedDatagramSocket(_test: TestResources, peer: InetAddress): Promise<Opened> {
  const socket = createSocket('udp4');
  socket.connect(peer.port, peer.address);
  await once(socket, 'connect');
  return { socket };
}

async function boundDatagramSocket(): Promise<{ readonly socket: DatagramSocket }> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { socket };
}

// ── what is refused

/** One end of a pipe, closed with the test. */
function pipeFd(test: TestResources): number {
  const path = test.freshPath();
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, 'r+');
  test.atEnd(() => closeSync(fd));
  return fd;
}

/** What the native backend takes over: each socket as a Socket and as a bare fd. */
export const NATIVE_SOCKETS: SocketOffers = {
  connectedStreams: [
    { name: 'the Socket of a TCP connection', open: connectedTcp },
    { name: 'the fd of a TCP connection', open: bare(connectedTcp) },
    { name: 'the Socket of a Unix connection', open: connectedUnix },
    { name: 'the fd of a Unix connection', open: bare(connectedUnix) },
    { name: 'the fd of one half of a socketpair', open: bare(halfOfPair) },
  ],
  listeningStreams: [
    { name: 'a listening TCP Socket', open: listeningTcp },
    { name: 'the fd of a listening TCP socket', open: bare(listeningTcp) },
    { name: 'a listening Unix Socket', open: listeningUnix },
    { name: 'the fd of a listening Unix socket', open: bare(listeningUnix) },
  ],
  connectedDatagrams: [
    { name: 'a connected UDP Socket', open: connectedUdp },
    { name: 'the fd of a connected UDP socket', open: bare(connectedUdp) },
  ],
  boundDatagrams: [
    { name: 'a bound UDP Socket', open: boundUdp },
    { name: 'the fd of a bound UDP socket', open: bare(boundUdp) },
  ],
  strangers: [
    {
      name: 'a TCP Socket without a peer',
      open: async (test) => {
        const socket = create(AF_INET, SOCK_STREAM);
        test.atEnd(() => socket.close());
        return { socket, codes: ['ERR_INVALID_ARG_TYPE'] };
      },
    },
    {
      name: 'a closed Socket',
      open: async () => {
        const socket = create(AF_INET, SOCK_STREAM);
        socket.close();
        return { socket, codes: ['ERR_CLOSED_RESOURCE'] };
      },
    },
    {
      name: 'the fd of a pipe',
      open: async (test) => ({ socket: pipeFd(test), codes: ['ENOTSOCK', 'ERR_INVALID_ARG_TYPE'] }),
    },
  ],
};

/** What the `node` backend takes over: sockets of node:net and node:dgram, and fds of streams. */
export const NODE_SOCKETS: SocketOffers = {
  connectedStreams: [
    { name: 'a net.Socket that dialled', open: dialledNetSocket },
    { name: 'a net.Socket that was accepted', open: acceptedNetSocket },
    { name: 'the fd of a TCP connection', open: bare(connectedTcp) },
    { name: 'the fd of a Unix connection', open: bare(connectedUnix) },
    { name: 'the fd of one half of a socketpair', open: bare(halfOfPair) },
  ],
  listeningStreams: [
    { name: 'the fd of a listening TCP socket', open: bare(listeningTcp) },
    { name: 'the fd of a listening Unix socket', open: bare(listeningUnix) },
  ],
  connectedDatagrams: [{ name: 'a connected dgram.Socket', open: connectedDatagramSocket }],
  boundDatagrams: [{ name: 'a bound dgram.Socket', open: boundDatagramSocket }],
  strangers: [
    {
      name: 'the fd of a pipe',
      open: async (test) => ({ socket: pipeFd(test), codes: ['ERR_INVALID_ARG_TYPE'] }),
    },
    {
      name: 'a net.Socket that is not connected',
      open: async () => ({ socket: new NetSocket(), codes: ['ERR_INVALID_ARG_TYPE'] }),
    },
    {
      name: 'a net.Socket that is destroyed',
      open: async (test) => {
        const { socket } = await dialledNetSocket(test);
        socket.destroy();
        return { socket, codes: ['ERR_INVALID_ARG_TYPE'] };
      },
    },
    {
      name: 'a closed dgram.Socket',
      open: async () => {
        const { socket } = await boundDatagramSocket();
        socket.close();
        return { socket, codes: ['ERR_INVALID_ARG_TYPE'] };
      },
    },
    {
      name: 'a dgram.Socket that is not bound',
      open: async (test) => {
        const socket = createSocket('udp4');
        test.atEnd(() => socket.close());
        return { socket, codes: ['ERR_INVALID_ARG_TYPE'] };
      },
    },
  ],
};

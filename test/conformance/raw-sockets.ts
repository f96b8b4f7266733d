import type { InetAddress, UnixPath } from '#lib/contract/addresses';
import { once } from 'node:events';
import { connect } from 'node:net';
import { constants } from '#lib/socket/platform-constants';
import { Socket } from '#lib/socket/socket';
import { udpPeer } from '#lib/conformance/datagram-kinds';
import type { Scenario } from '#lib/conformance/harness';
import { portOf, rawConnect, rawServer, StreamPeer } from '#lib/conformance/stream-peer';
import type { WrappingOffers } from '#lib/conformance/wrapping';

const { AF_INET, AF_UNIX, SOCK_STREAM, SOCK_DGRAM } = constants as { [name: string]: number };

function create(family: number | undefined, type: number | undefined): Socket {
  return Socket.create(family ?? -1, type ?? -1);
}

async function connected(socket: Socket, address: InetAddress | UnixPath): Promise<Socket> {
  if (!socket.connect(address)) await socket.writable();
  return socket;
}

/** An fd that nobody owns. */
export function bare<T>(
  offer: (scenario: Scenario) => Promise<{ socket: Socket } & T>,
): (scenario: Scenario) => Promise<{ socket: number } & T> {
  return async (scenario) => {
    const opened = await offer(scenario);
    return { ...opened, socket: opened.socket.detach() };
  };
}

export async function connectedTcp(
  scenario: Scenario,
): Promise<{ socket: Socket; peer: StreamPeer }> {
  const { server, next } = await rawServer(scenario, { host: '127.0.0.1', port: 0 });
  const socket = await connected(create(AF_INET, SOCK_STREAM), {
    address: '127.0.0.1',
    port: portOf(server),
    family: 'IPv4',
  });
  return { socket, peer: await next() };
}

export async function connectedUnix(
  scenario: Scenario,
): Promise<{ socket: Socket; peer: StreamPeer }> {
  const path = scenario.freshPath();
  const { next } = await rawServer(scenario, { path });
  const socket = await connected(create(AF_UNIX, SOCK_STREAM), path);
  return { socket, peer: await next() };
}

/** Of socketpair(2); node:net has the other end. */
export async function halfOfPair(
  scenario: Scenario,
): Promise<{ socket: Socket; peer: StreamPeer }> {
  const [socket, other] = Socket.pair();
  const { Socket: NetSocket } = await import('node:net');
  const peer = new StreamPeer(
    new NetSocket({ fd: other.detach(), allowHalfOpen: true, readable: true, writable: true }),
  );
  scenario.atEnd(() => peer.socket.destroy());
  return { socket, peer };
}

export async function listeningTcp(
  scenario: Scenario,
): Promise<{ socket: Socket; dial: () => Promise<StreamPeer> }> {
  const socket = create(AF_INET, SOCK_STREAM);
  socket.bind({ address: '127.0.0.1', port: 0, family: 'IPv4' });
  socket.listen();
  const { port } = socket.localAddress() as InetAddress;
  return { socket, dial: () => rawConnect(scenario, { host: '127.0.0.1', port }) };
}

export async function listeningUnix(
  scenario: Scenario,
): Promise<{ socket: Socket; dial: () => Promise<StreamPeer> }> {
  const path = scenario.freshPath();
  const socket = create(AF_UNIX, SOCK_STREAM);
  socket.bind(path);
  socket.listen();
  return { socket, dial: () => rawConnect(scenario, { path }) };
}

async function connectedUdp(
  scenario: Scenario,
): Promise<{ socket: Socket; peer: Awaited<ReturnType<typeof udpPeer>> }> {
  const peer = await udpPeer(scenario);
  const socket = create(AF_INET, SOCK_DGRAM);
  return { socket: await connected(socket, peer.address), peer };
}

async function boundUdp(
  scenario: Scenario,
): Promise<{ socket: Socket; peer: Awaited<ReturnType<typeof udpPeer>> }> {
  const socket = create(AF_INET, SOCK_DGRAM);
  socket.bind({ address: '127.0.0.1', port: 0, family: 'IPv4' });
  return { socket, peer: await udpPeer(scenario) };
}

/** What the native backend takes over: each as a Socket and as a bare fd. */
export const NATIVE_OFFERS: WrappingOffers = {
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
      open: async (scenario) => {
        const socket = create(AF_INET, SOCK_STREAM);
        scenario.atEnd(() => socket.close());
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
      open: async (scenario) => ({
        socket: await pipeFd(scenario),
        codes: ['ENOTSOCK', 'ERR_INVALID_ARG_TYPE'],
      }),
    },
  ],
};

/** One end of a pipe, which stays the scenario's. */
export async function pipeFd(scenario: Scenario): Promise<number> {
  const { openSync, closeSync } = await import('node:fs');
  const { execFileSync } = await import('node:child_process');
  const path = scenario.freshPath();
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, 'r+');
  scenario.atEnd(() => closeSync(fd));
  return fd;
}

/** A net.Socket that dialled. */
export async function dialledNetSocket(
  scenario: Scenario,
): Promise<{ socket: object; peer: StreamPeer }> {
  const { server, next } = await rawServer(scenario, { host: '127.0.0.1', port: 0 });
  const socket = connect({ host: '127.0.0.1', port: portOf(server) });
  await once(socket, 'connect');
  return { socket, peer: await next() };
}

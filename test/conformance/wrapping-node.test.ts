import type { InetAddress } from '#lib/contract/addresses';
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, Socket } from 'node:net';
import { describe, it } from 'vitest';
import { udpPeer } from '#lib/conformance/datagram-kinds';
import type { Scenario } from '#lib/conformance/harness';
import { portOf, rawConnect, rawServer, type StreamPeer } from '#lib/conformance/stream-peer';
import { testWrapping } from '#lib/conformance/wrapping';
import { expectNoLeaks } from '../support/fds';
import {
  bare,
  connectedTcp,
  connectedUnix,
  dialledNetSocket,
  halfOfPair,
  listeningTcp,
  listeningUnix,
  pipeFd,
} from './raw-sockets';
import { node } from './subjects';

/** One that a server of node:net accepted, and that closes itself at the end of its input. */
async function acceptedNetSocket(
  scenario: Scenario,
): Promise<{ socket: Socket; peer: StreamPeer }> {
  const server = createServer();
  server.listen({ path: scenario.freshPath() });
  scenario.atEnd(() => server.close());
  await once(server, 'listening');
  const [[socket], peer] = await Promise.all([
    once(server, 'connection') as Promise<[Socket]>,
    rawConnect(scenario, { path: server.address() as string }),
  ]);
  return { socket, peer };
}

async function boundDatagramSocket(): Promise<DatagramSocket> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

expectNoLeaks();
testWrapping({ describe, it }, node, {
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
  connectedDatagrams: [
    {
      name: 'a connected dgram.Socket',
      open: async (scenario) => {
        const peer = await udpPeer(scenario);
        const socket = createSocket('udp4');
        socket.connect((peer.address as InetAddress).port, '127.0.0.1');
        await once(socket, 'connect');
        return { socket, peer };
      },
    },
  ],
  boundDatagrams: [
    {
      name: 'a bound dgram.Socket',
      open: async (scenario) => ({
        socket: await boundDatagramSocket(),
        peer: await udpPeer(scenario),
      }),
    },
  ],
  strangers: [
    {
      name: 'the fd of a pipe',
      open: async (scenario) => ({
        socket: await pipeFd(scenario),
        codes: ['ERR_INVALID_ARG_TYPE'],
      }),
    },
    {
      name: 'a net.Socket that is not connected',
      open: async () => ({ socket: new Socket(), codes: ['ERR_INVALID_ARG_TYPE'] }),
    },
    {
      name: 'a net.Socket that is destroyed',
      open: async (scenario) => {
        const { server } = await rawServer(scenario, { host: '127.0.0.1', port: 0 });
        const socket = connect(portOf(server), '127.0.0.1');
        await once(socket, 'connect');
        socket.destroy();
        return { socket, codes: ['ERR_INVALID_ARG_TYPE'] };
      },
    },
    {
      name: 'a closed dgram.Socket',
      open: async () => {
        const socket = await boundDatagramSocket();
        socket.close();
        return { socket, codes: ['ERR_INVALID_ARG_TYPE'] };
      },
    },
    {
      name: 'a dgram.Socket that is not bound',
      open: async (scenario) => {
        const socket = createSocket('udp4');
        scenario.atEnd(() => socket.close());
        return { socket, codes: ['ERR_INVALID_ARG_TYPE'] };
      },
    },
  ],
});

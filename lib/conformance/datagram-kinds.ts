import type { InetAddress, UnixPath } from '../contract/addresses';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { AsyncDatagramListener } from '../contract/listeners';
import { SocketAttribute } from '../transports/attributes';
import type { AsyncDatagramTransport } from '../contract/transports';
import type { Scenario } from './scenario';

/**
 * The other end: a datagram socket that no code of the backend under test touches. Nothing in it is
 * a checkpoint.
 */
export interface DatagramPeer {
  /** Where it is bound. */
  readonly address: InetAddress | UnixPath;
  /** Resolves when the kernel has taken the datagram. */
  send(data: Uint8Array, to: InetAddress | UnixPath): Promise<void>;
  /** The next datagram: one that arrived, or the next to arrive. */
  take(): Promise<{ readonly data: Uint8Array; readonly from: InetAddress | UnixPath }>;
  /** Closes it before the end of the scenario. */
  close(): Promise<void>;
}

/**
 * A family of datagram sockets: how to come by each end. Opening those under test is a checkpoint,
 * as the backend's methods are.
 */
export interface DatagramKind {
  /** For the names of the tests: 'UDP'. */
  readonly name: string;
  readonly family: 'inet' | 'unix';
  /** The most bytes that one datagram can carry; null if the family has no fixed bound. */
  readonly mostBytes: number | null;
  /** A peer, closed with the scenario. */
  peer(scenario: Scenario): Promise<DatagramPeer>;
  /**
   * A transport connected to the peer, with an address that the peer can answer to. Closed with the
   * scenario.
   */
  connect(scenario: Scenario, peer: DatagramPeer): Promise<AsyncDatagramTransport>;
  /** A bound listener. Closed with the scenario. */
  listen(scenario: Scenario): Promise<AsyncDatagramListener<InetAddress | UnixPath>>;
}

/** A peer of node:dgram. No checkpoint. */
export async function udpPeer(scenario: Scenario): Promise<DatagramPeer> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  let isClosed = false;
  const close = (): void => {
    if (!isClosed) socket.close();
    isClosed = true;
  };
  scenario.atEnd(close);
  type Received = Awaited<ReturnType<DatagramPeer['take']>>;
  const received: Received[] = [];
  const waiting: ((datagram: Received) => void)[] = [];
  socket.on('message', (data, { address, port }) => {
    const datagram: Received = { data, from: { address, port, family: 'IPv4' } };
    const waiter = waiting.shift();
    if (waiter === undefined) received.push(datagram);
    else waiter(datagram);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { address, port } = socket.address();
  return {
    address: { address, port, family: 'IPv4' },
    send: (data, to) =>
      new Promise((resolve, reject) => {
        const target = to as InetAddress;
        socket.send(data, target.port, target.address, (error) => {
          if (error === null) resolve();
          else reject(error);
        });
      }),
    take: () => {
      const datagram = received.shift();
      return datagram === undefined
        ? new Promise((resolve) => waiting.push(resolve))
        : Promise.resolve(datagram);
    },
    close: async () => {
      const closed = once(socket, 'close');
      close();
      await closed;
    },
  };
}

/** UDP over IPv4, which every backend has. */
export const UDP: DatagramKind = {
  name: 'UDP',
  family: 'inet',
  // 65,535 less the headers of IP and UDP.
  mostBytes: 65_507,
  peer: udpPeer,
  connect: async (scenario, peer) => {
    const { address, port } = peer.address as InetAddress;
    return scenario.own(await scenario.backend.createUdpEndpoint(address, port));
  },
  listen: async (scenario) => {
    const [listener] = await scenario.backend.createUdpListeners('127.0.0.1', 0);
    if (listener === undefined) throw new Error('no listener');
    return scenario.own(listener);
  },
};

/** Where a transport or listener is bound. */
export function localAddress(resource: {
  extra: AsyncDatagramTransport['extra'];
}): InetAddress | UnixPath {
  return resource.extra(SocketAttribute.localAddress) as InetAddress | UnixPath;
}

import type { Socket as DatagramSocket } from 'node:dgram';
import { type NetConnectOpts, Socket } from 'node:net';
import type { InetAddress, UnixPath } from '../../contract/addresses';
import type { AsyncBackend } from '../../contract/backend';
import type { AsyncDatagramTransport } from '../../contract/transports';
import { systemErrorNamed } from '../../errors';
import type { UnixConnector } from '../../networking/socket-driver';
import type { AttributeGetters } from '../../transports/attributes';
import { currentScope, outsideOfTasks } from '../../waiting/context';
import { cancelled, isCancelled } from '../../waiting/operation';
import { hostText, pipePath } from './address';
import { inetAttributes, unixAttributes } from './attributes';
import { NodeDatagramTransport } from './datagram-transport';
import { bindDatagramSocket, openDatagramSocket } from './open-socket';
import { noUnixDatagrams, unsupported } from './platform';
import { NodeStreamTransport } from './stream-transport';
import { Wait } from './transport';

/** A checkpoint: one attempt. Cancelled, its socket is closed. */
function connectOnce(
  backend: AsyncBackend,
  target: string,
  options: NetConnectOpts,
  attributesOf: (socket: Socket) => AttributeGetters,
): Promise<NodeStreamTransport> {
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  return outsideOfTasks(() => {
    const socket = new Socket({ allowHalfOpen: true });
    const attempt = new Wait<NodeStreamTransport>(`connect to ${target}`, () => {
      socket.destroy();
    });
    const failed = (error: Error): void => {
      attempt.fail(error);
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      if ('port' in options) {
        if (isSelfConnected(socket)) {
          // A reset: otherwise the port would stay in TIME_WAIT, and its server could not bind it.
          socket.resetAndDestroy();
          const { host: address = '', port } = options;
          attempt.fail(systemErrorNamed('ECONNREFUSED', 'connect', { address, port }));
          return;
        }
        socket.setNoDelay(true);
      }
      socket.off('error', failed);
      attempt.settle(new NodeStreamTransport(backend, socket, attributesOf(socket)));
    });
    // Not a byte is read before the first receive.
    socket.pause();
    try {
      socket.connect(options);
    } catch (error) {
      socket.destroy();
      throw error;
    }
    return attempt.enter(scope).promise;
  });
}

/**
 * Whether a TCP socket is its own peer. Without a listener, a connect to a local port can meet the
 * very socket that connects, if the kernel has given that port to it: simultaneous open, RFC 9293,
 * 3.5.
 */
function isSelfConnected(socket: Socket): boolean {
  return socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress;
}

/** net binds and connects in one call. */
export async function connectTcp(
  backend: AsyncBackend,
  remote: InetAddress,
  local: InetAddress | null,
): Promise<NodeStreamTransport> {
  const target = `${remote.address}:${remote.port}`;
  const options = { host: hostText(remote), port: remote.port, autoSelectFamily: false };
  const from = local === null ? {} : { localAddress: hostText(local), localPort: local.port };
  return connectOnce(backend, target, { ...options, ...from }, inetAttributes);
}

export async function connectUdp(
  backend: AsyncBackend,
  remote: InetAddress,
  local: InetAddress | null,
): Promise<NodeDatagramTransport> {
  const socket = openDatagramSocket(remote);
  try {
    if (local !== null) await bindDatagramSocket(socket, local);
    await connectDatagramSocket(socket, remote);
  } catch (error) {
    socket.close();
    throw error;
  }
  return new NodeDatagramTransport(backend, socket);
}

/** Connects, which binds an unbound socket on the way. UDP has no handshake to wait for. */
function connectDatagramSocket(socket: DatagramSocket, address: InetAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    // Binding on the way fails by this event, connecting by the callback.
    socket.once('error', reject);
    socket.connect(address.port, hostText(address), ((error?: Error) => {
      socket.off('error', reject);
      if (error === undefined) resolve();
      else reject(error);
    }) as () => void);
  });
}

/** net.Sockets are made by `connect`, one for each attempt, so that there is nothing to dispose. */
export function openUnixStream(
  backend: AsyncBackend,
  localPath: UnixPath | undefined,
): UnixConnector<NodeStreamTransport> {
  if (localPath !== undefined)
    throw unsupported('localPath', 'node:net cannot bind a Unix socket before it connects');
  return {
    connect: async (path) => {
      const name = pipePath('path', path, 'connect');
      return connectOnce(backend, name, { path: name }, () => unixAttributes('', name));
    },
    [Symbol.dispose]: () => undefined,
  };
}

export function openUnixDatagram(): UnixConnector<AsyncDatagramTransport> {
  throw noUnixDatagrams();
}

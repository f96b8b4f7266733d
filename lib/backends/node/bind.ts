import type { AddressInfo, Server } from 'node:net';
import type { InetAddress, UnixPath } from '../../contract/addresses';
import type { TypedAttribute } from '../../contract/attributes';
import type { AsyncBackend } from '../../contract/backend';
import type { AsyncDatagramListener } from '../../contract/listeners';
import { explainFileInUse, type SystemError } from '../../errors';
import { DEFAULT_BACKLOG } from '../../networking/listen';
import type { BoundSocket } from '../../networking/socket-driver';
import { type AttributeGetters, SocketAttribute } from '../../transports/attributes';
import { hostText, inetAddress, pipePath } from './address';
import { inetAttributes, unixAttributes } from './attributes';
import { NodeDatagramListener } from './datagram-listener';
import { bindDatagramSocket, listen, openDatagramSocket, openServer } from './open-socket';
import {
  AF_INET,
  AF_INET6,
  hasReusePort,
  nodeVersion,
  noUnixDatagrams,
  unsupported,
} from './platform';
import { type ListenerKind, NodeStreamListener } from './stream-listener';
import { absoluteIfShort, isUnixFile, ListenerFile } from './unix-file';

function checkReusePort(reusePort: boolean): void {
  if (reusePort && !hasReusePort)
    throw unsupported(
      'reusePort',
      `node:net and node:dgram have it from 22.12 and 23.1 on, and this is ${nodeVersion}`,
    );
}

/** On a platform without SO_REUSEPORT, Node fails with ENOTSUP when it binds. */
function explainReusePort(error: unknown, reusePort: boolean): unknown {
  return reusePort && (error as SystemError).code === 'ENOTSUP'
    ? unsupported('reusePort', 'this platform has none')
    : error;
}

/** net binds and listens in one call. */
export async function bindTcp(
  backend: AsyncBackend,
  address: InetAddress,
  { backlog, reusePort }: { readonly backlog: number; readonly reusePort: boolean },
): Promise<BoundSocket<NodeStreamListener>> {
  checkReusePort(reusePort);
  const server = openServer();
  const { port, family } = address;
  const options = { host: hostText(address), port, backlog, ipv6Only: family === 'IPv6' };
  try {
    await listen(server, reusePort ? { ...options, reusePort } : options);
  } catch (error) {
    throw explainReusePort(error, reusePort);
  }
  return { listener: new NodeStreamListener(backend, server, tcpListener(server, backlog)) };
}

export async function bindUdp(
  backend: AsyncBackend,
  address: InetAddress,
  { reusePort }: { readonly reusePort: boolean },
): Promise<BoundSocket<NodeDatagramListener>> {
  checkReusePort(reusePort);
  // The types of Node 20 do not know `reusePort`.
  const options: { ipv6Only: boolean; reusePort?: boolean } = {
    ipv6Only: address.family === 'IPv6',
  };
  const socket = openDatagramSocket(address, reusePort ? { ...options, reusePort } : options);
  try {
    await bindDatagramSocket(socket, address);
  } catch (error) {
    socket.close();
    throw explainReusePort(error, reusePort);
  }
  return { listener: new NodeDatagramListener(backend, socket) };
}

export async function bindUnixStream(
  backend: AsyncBackend,
  path: UnixPath,
  { backlog, mode }: { readonly backlog: number; readonly mode: number | undefined },
): Promise<NodeStreamListener> {
  const name = pipePath('path', path, 'bind');
  const server = openServer();
  const isFile = isUnixFile(name);
  const bound = isFile ? absoluteIfShort(name) : name;
  let close = closeServer;
  try {
    await listen(server, { path: bound, backlog }, () => {
      if (!isFile) return;
      const file = new ListenerFile(bound);
      close = (closing) => {
        file.closeWith(() => closing.close());
      };
      if (mode !== undefined) file.setMode(mode);
    });
  } catch (error) {
    close(server);
    if (isFile) explainFileInUse(error);
    throw error;
  }
  return new NodeStreamListener(backend, server, unixListener(name, backlog, close));
}

export function bindUnixDatagram(): AsyncDatagramListener<UnixPath> {
  throw noUnixDatagrams();
}

/** A listener on an fd that listens. An fd that is only bound begins to listen. */
export async function listenOnFd(backend: AsyncBackend, fd: number): Promise<NodeStreamListener> {
  const server = openServer();
  await listen(server, { fd, backlog: DEFAULT_BACKLOG });
  const address = server.address();
  const isInet = typeof address === 'object' && address !== null;
  const kind = isInet
    ? tcpListener(server, DEFAULT_BACKLOG)
    : unixListener(address ?? undefined, DEFAULT_BACKLOG, closeServer);
  return new NodeStreamListener(backend, server, kind);
}

const closeServer = (server: Server): void => {
  server.close();
};

/** net does not know the name that a client of a Unix listener is bound to; most have none. */
function unixListener(
  name: string | undefined,
  backlog: number,
  close: (server: Server) => void,
): ListenerKind {
  const attributes = unixAttributes(name, undefined);
  return { attributes, attributesOf: () => attributes, backlog, close };
}

function tcpListener(server: Server, backlog: number): ListenerKind {
  return {
    attributes: listenerAttributes(server),
    attributesOf: inetAttributes,
    backlog,
    close: closeServer,
  };
}

function listenerAttributes(server: Server): AttributeGetters {
  // The address of an open TCP server is an object: a closed listener is not asked.
  const name = (): AddressInfo => server.address() as AddressInfo;
  return new Map<TypedAttribute<unknown>, () => unknown>([
    [SocketAttribute.family, () => (name().address.includes(':') ? AF_INET6 : AF_INET)],
    [SocketAttribute.localAddress, () => inetAddress(name().address, name().port)],
  ]);
}

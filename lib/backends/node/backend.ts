import type {
  AddrInfo,
  AddrInfoHints,
  HostPort,
  InetAddress,
  UnixPath,
} from '../../contract/addresses';
import type { Socket } from '../../contract/socket';
import { throwIfCancelled } from '../../waiting/context';
import { invalidArgument } from '../../arguments/validate';
import { forgetEnvironmentFds, readEnvironmentFds } from '../../networking/socket-activation';
import type {
  AsyncDatagramListener,
  AsyncListener,
  EnvironmentListener,
} from '../../contract/listeners';
import { type Host, listenTcp, listenUdp, listenUnix } from './bind';
import { connectUdp } from './connect-datagram';
import { connectTcp, connectUnix } from './connect';
import { getnameinfo } from './name-info';
import { getaddrinfo } from './resolve';
import { unsupported } from './unsupported';
import {
  type NodeDatagramSocket,
  type NodeStreamSocket,
  probe,
  wrapConnectedDatagram,
  wrapDatagramListener,
  wrapListener,
  wrapStream,
} from './wrap';
import { ThreadedBackend } from '../../threads/threaded-backend';
import { acloseForcefully } from '../../transports/aclose-forcefully';
import type { AsyncDatagramTransport, AsyncStreamTransport } from '../../contract/transports';
import type { AsyncBackend } from '../../contract/backend';

/**
 * The backend on node:net, node:dgram and node:dns alone. It loads no addon, and runs wherever
 * these modules do.
 *
 * It keeps to what `AsyncBackend` says, with these exceptions.
 * - Unix datagrams, control messages, peer credentials, `Socket` objects, socket options and what
 *   else Node's modules do not have reject with UnsupportedOperationError. There is no
 *   `SocketAttribute.socket`.
 * - Streams read somewhat ahead of their readers (some 100 KB); datagrams that nobody receives wait
 *   in memory up to 2 MB, and are dropped from there on.
 * - A stream send that is cancelled before the kernel took all of it ends the connection, since net
 *   cannot take back the rest. Datagram sends are not interrupted: they end at once, or as soon as
 *   the network takes them.
 * - An error of a send ends receiving too: what the kernel still held is lost.
 * - Listeners accept also while nobody serves, up to `backlog` connections.
 */
export class NodeBackend extends ThreadedBackend implements AsyncBackend {
  readonly name = 'node';

  /**
   * As of `AsyncBackend`, by dns.lookup. UnsupportedOperationError for AI_CANONNAME and for service
   * names.
   */
  async getaddrinfo(
    host: string | null,
    port: number | string | null,
    options?: AddrInfoHints,
  ): Promise<AddrInfo[]> {
    return getaddrinfo(this, host, port, options);
  }

  /**
   * As of `AsyncBackend`, by dns.lookupService. UnsupportedOperationError for flags other than
   * NI_NUMERICHOST, NI_NUMERICSERV and NI_NAMEREQD.
   */
  async getnameinfo(address: InetAddress, flags?: number): Promise<[string, string]> {
    return getnameinfo(this, address, flags);
  }

  async createTcpConnection(
    host: string,
    port: number,
    options: { localAddress?: HostPort; happyEyeballsDelay?: number } = {},
  ): Promise<AsyncStreamTransport> {
    throwIfCancelled();
    return connectTcp(this, host, port, options);
  }

  /** As of `AsyncBackend`; a pipe's name on Windows. UnsupportedOperationError for `localPath`. */
  async createUnixStreamConnection(
    path: UnixPath,
    options: { localPath?: UnixPath } = {},
  ): Promise<AsyncStreamTransport> {
    throwIfCancelled();
    return connectUnix(this, path, options.localPath);
  }

  async createUdpEndpoint(
    remoteHost: string,
    remotePort: number,
    options: { localAddress?: HostPort; family?: number } = {},
  ): Promise<AsyncDatagramTransport> {
    throwIfCancelled();
    return connectUdp(this, remoteHost, remotePort, options);
  }

  /** Rejects with UnsupportedOperationError. */
  async createUnixDatagramEndpoint(): Promise<AsyncDatagramTransport> {
    throw unsupported('Unix datagrams', 'node:dgram is UDP alone');
  }

  /**
   * As of `AsyncBackend`, of an fd or a net.Socket. What the net.Socket has received and nobody has
   * read yet is received first. TypeError also for one that has an encoding set or a 'readable'
   * listener: its bytes would never come as such.
   */
  async wrapStreamSocket(
    socket: Socket | NodeStreamSocket | number,
  ): Promise<AsyncStreamTransport> {
    throwIfCancelled();
    return wrapStream(this, socket);
  }

  /** As of `AsyncBackend`, of a dgram.Socket; UnsupportedOperationError for an fd. */
  async wrapConnectedDatagramSocket(
    socket: Socket | NodeDatagramSocket | number,
  ): Promise<AsyncDatagramTransport> {
    throwIfCancelled();
    return wrapConnectedDatagram(this, socket);
  }

  async createTcpListeners(
    host: Host,
    port: number,
    options: { backlog?: number; reusePort?: boolean } = {},
  ): Promise<AsyncListener<AsyncStreamTransport>[]> {
    throwIfCancelled();
    return listenTcp(this, host, port, options);
  }

  /**
   * As of `AsyncBackend`; a pipe's name on Windows. The umask rules for a moment, until `mode` is
   * set.
   */
  async createUnixStreamListener(
    path: UnixPath,
    options: { backlog?: number; mode?: number } = {},
  ): Promise<AsyncListener<AsyncStreamTransport>> {
    throwIfCancelled();
    return listenUnix(this, path, options);
  }

  async createUdpListeners(
    host: Host,
    port: number,
    options: { reusePort?: boolean } = {},
  ): Promise<AsyncDatagramListener<InetAddress>[]> {
    throwIfCancelled();
    return listenUdp(this, host, port, options);
  }

  /** Rejects with UnsupportedOperationError. */
  async createUnixDatagramListener(): Promise<AsyncDatagramListener<UnixPath>> {
    throw unsupported('Unix datagrams', 'node:dgram is UDP alone');
  }

  /** As of `AsyncBackend`, of an fd. One that is bound and does not listen begins to. */
  async wrapListenerSocket(socket: Socket | number): Promise<AsyncListener<AsyncStreamTransport>> {
    throwIfCancelled();
    return wrapListener(this, socket);
  }

  /** As of `AsyncBackend`, of a dgram.Socket; UnsupportedOperationError for an fd. */
  async wrapDatagramListenerSocket(
    socket: Socket | NodeDatagramSocket | number,
  ): Promise<AsyncDatagramListener<InetAddress | UnixPath>> {
    throwIfCancelled();
    return wrapDatagramListener(this, socket);
  }

  /**
   * As of `AsyncBackend`, of stream sockets. A datagram socket among them is a TypeError:
   * node:dgram cannot tell what an fd is.
   */
  async listenersFromEnvironment(): Promise<EnvironmentListener[]> {
    throwIfCancelled();
    const described = readEnvironmentFds(process.env);
    for (const { fd, name } of described) {
      const wanted = `listening stream sockets (fd ${fd}, "${name}", is another)`;
      if (probe(fd, wanted) !== 'not connected')
        throw invalidArgument('LISTEN_FDS', wanted, process.env['LISTEN_FDS']);
    }
    forgetEnvironmentFds(process.env);
    const listeners: EnvironmentListener[] = [];
    try {
      for (const { name, fd } of described)
        listeners.push({ name, kind: 'stream', listener: await wrapListener(this, fd) });
      return listeners;
    } catch (error) {
      // Net cannot give an fd back.
      await Promise.all(listeners.map(({ listener }) => acloseForcefully(listener)));
      throw error;
    }
  }
}

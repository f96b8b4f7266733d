import { readService } from '../arguments/network';
import { checkInteger, checkOptions, invalidArgument } from '../arguments/validate';
import type {
  AddrInfo,
  AddrInfoHints,
  HostPort,
  InetAddress,
  UnixPath,
} from '../contract/addresses';
import type { AsyncBackend } from '../contract/backend';
import type {
  AsyncDatagramListener,
  AsyncListener,
  EnvironmentListener,
} from '../contract/listeners';
import type { Socket } from '../contract/socket';
import type { Awaitable } from '../contract/tasks';
import type { AsyncDatagramTransport, AsyncStreamTransport } from '../contract/transports';
import { type BackendOptions, ThreadedBackend } from '../threads/threaded-backend';
import { throwIfCancelled } from '../waiting/context';
import { inTurn } from '../waiting/operation';
import { connectTcp, connectUdp, connectUnix } from './connect';
import {
  listenTcp,
  listenUdp,
  listenUnixDatagram,
  listenUnixStream,
  type ListenHost,
} from './listen';
import { listenersFromEnvironment } from './socket-activation';
import type { SocketDriver, UnixConnector } from './socket-driver';

const MAX_INT = 0x7fffffff;

/**
 * A whole backend over the sockets that a {@link SocketDriver} gives. A third backend extends this
 * class, with a name and a driver of its own.
 *
 * `S` and `D` are what the driver can wrap beside a Socket and an fd: stream sockets and datagram
 * sockets of another library.
 */
export abstract class NetworkingBackend<S = never, D = never>
  extends ThreadedBackend
  implements AsyncBackend
{
  abstract readonly name: string;
  readonly #driver: SocketDriver;

  constructor(driver: SocketDriver, options?: BackendOptions) {
    super(options);
    this.#driver = driver;
  }

  async getaddrinfo(
    host: string | null,
    port: number | string | null,
    hints: AddrInfoHints = {},
  ): Promise<AddrInfo[]> {
    if (host !== null && typeof host !== 'string')
      throw invalidArgument('host', 'a string or null', host);
    if (host?.includes('\0') === true) throw invalidArgument('host', 'without NUL bytes', host);
    const service = readService('port', port);
    checkOptions('options', hints);
    const { family = 0, type = 0, proto = 0, flags = 0 } = hints;
    checkInteger('family', family, 0, MAX_INT);
    checkInteger('type', type, 0, MAX_INT);
    checkInteger('proto', proto, 0, MAX_INT);
    checkInteger('flags', flags, 0, MAX_INT);
    return inTurn(this.#driver.getaddrinfo(host, service, { family, type, proto, flags }));
  }

  async getnameinfo(address: InetAddress, flags = 0): Promise<[string, string]> {
    checkInteger('flags', flags, 0, MAX_INT);
    return inTurn(this.#driver.getnameinfo(address, flags));
  }

  createTcpConnection(
    host: string,
    port: number,
    options: { localAddress?: HostPort; happyEyeballsDelay?: number } = {},
  ): Promise<AsyncStreamTransport> {
    return inTurn(connectTcp(this, this.#driver, host, port, options));
  }

  createUnixStreamConnection(
    path: UnixPath,
    options: { localPath?: UnixPath } = {},
  ): Promise<AsyncStreamTransport> {
    const open = (localPath: UnixPath | undefined): UnixConnector<AsyncStreamTransport> =>
      this.#driver.openUnixStream(this, localPath);
    return inTurn(connectUnix(this, open, path, options));
  }

  createUdpEndpoint(
    remoteHost: string,
    remotePort: number,
    options: { localAddress?: HostPort; family?: number } = {},
  ): Promise<AsyncDatagramTransport> {
    return inTurn(connectUdp(this, this.#driver, remoteHost, remotePort, options));
  }

  createUnixDatagramEndpoint(
    path: UnixPath,
    options: { localPath?: UnixPath } = {},
  ): Promise<AsyncDatagramTransport> {
    const open = (localPath: UnixPath | undefined): UnixConnector<AsyncDatagramTransport> =>
      this.#driver.openUnixDatagram(this, localPath);
    return inTurn(connectUnix(this, open, path, options));
  }

  wrapStreamSocket(socket: Socket | S | number): Promise<AsyncStreamTransport> {
    return takeOver(() => this.#driver.wrapStream(this, socket));
  }

  wrapConnectedDatagramSocket(socket: Socket | D | number): Promise<AsyncDatagramTransport> {
    return takeOver(() => this.#driver.wrapConnectedDatagram(this, socket));
  }

  createTcpListeners(
    host: ListenHost,
    port: number,
    options: { backlog?: number; reusePort?: boolean } = {},
  ): Promise<AsyncListener<AsyncStreamTransport>[]> {
    return inTurn(listenTcp(this, this.#driver, host, port, options));
  }

  createUnixStreamListener(
    path: UnixPath,
    options: { backlog?: number; mode?: number } = {},
  ): Promise<AsyncListener<AsyncStreamTransport>> {
    return inTurn(listenUnixStream(this, this.#driver, path, options));
  }

  createUdpListeners(
    host: ListenHost,
    port: number,
    options: { reusePort?: boolean } = {},
  ): Promise<AsyncDatagramListener<InetAddress>[]> {
    return inTurn(listenUdp(this, this.#driver, host, port, options));
  }

  createUnixDatagramListener(
    path: UnixPath,
    options: { mode?: number } = {},
  ): Promise<AsyncDatagramListener<UnixPath>> {
    return inTurn(listenUnixDatagram(this, this.#driver, path, options));
  }

  wrapListenerSocket(socket: Socket | number): Promise<AsyncListener<AsyncStreamTransport>> {
    return takeOver(() => this.#driver.wrapListener(this, socket));
  }

  wrapDatagramListenerSocket(
    socket: Socket | D | number,
  ): Promise<AsyncDatagramListener<InetAddress | UnixPath>> {
    return takeOver(() => this.#driver.wrapDatagramListener(this, socket));
  }

  listenersFromEnvironment(): Promise<EnvironmentListener[]> {
    return inTurn(listenersFromEnvironment(this, this.#driver, process.env));
  }
}

/** A checkpoint: takes a socket over by `wrap`, which a cancellation does not interrupt. */
function takeOver<T>(wrap: () => Awaitable<T>): Promise<T> {
  const running = async (): Promise<T> => {
    throwIfCancelled();
    return wrap();
  };
  return inTurn(running());
}

import type { Socket } from '../../contract/socket';
import type {
  AddrInfo,
  AddrInfoHints,
  HostPort,
  InetAddress,
  UnixPath,
} from '../../contract/addresses';
import { nativeBinding } from '../../binding';
import { connectTcp, connectUdp, connectUnix } from './connect';
import { sendAtOnce } from './open-socket';
import { getaddrinfo, getnameinfo } from './resolve';
import { throwIfCancelled } from '../../waiting/context';
import { invalidArgument } from '../../arguments/validate';
import { bindTcp, bindUdp, bindUnix, DEFAULT_BACKLOG } from './bind';
import { NativeDatagramListener } from './datagram-listener';
import { forgetEnvironmentFds, readEnvironmentFds } from '../../networking/socket-activation';
import type {
  AsyncDatagramListener,
  AsyncListener,
  EnvironmentListener,
} from '../../contract/listeners';
import { kindOf, type SocketKind } from './wrap';
import { NativeStreamListener } from './stream-listener';
import { NativeSocket } from '../../socket/socket';
import { type BackendOptions, ThreadedBackend } from '../../threads/threaded-backend';
import { NativeDatagramTransport } from './datagram-transport';
import { NativeStreamTransport } from './stream-transport';
import type { AsyncDatagramTransport, AsyncStreamTransport } from '../../contract/transports';
import type { AsyncBackend } from '../../contract/backend';

type Host = string | readonly string[] | null;

/** The backend on this package's addon: every socket that the platform has. */
export class NativeBackend extends ThreadedBackend implements AsyncBackend {
  readonly name = 'native';

  /** @throws Error `ERR_NATIVE_UNAVAILABLE` if no binary loads on this platform. */
  constructor(options?: BackendOptions) {
    super(options);
    nativeBinding();
  }

  async getaddrinfo(
    host: string | null,
    port: number | string | null,
    options?: AddrInfoHints,
  ): Promise<AddrInfo[]> {
    return getaddrinfo(host, port, options);
  }

  async getnameinfo(address: InetAddress, flags?: number): Promise<[string, string]> {
    return getnameinfo(address, flags);
  }

  async createTcpConnection(
    host: string,
    port: number,
    options: { localAddress?: HostPort; happyEyeballsDelay?: number } = {},
  ): Promise<AsyncStreamTransport> {
    throwIfCancelled();
    const descriptor = await connectTcp(this, host, port, options);
    return new NativeStreamTransport(this, descriptor);
  }

  async createUnixStreamConnection(
    path: UnixPath,
    options: { localPath?: UnixPath } = {},
  ): Promise<AsyncStreamTransport> {
    throwIfCancelled();
    const { descriptor, onClose } = await connectUnix(
      this,
      this.#constant('SOCK_STREAM'),
      path,
      options.localPath,
    );
    return new NativeStreamTransport(this, descriptor, null, onClose);
  }

  async createUdpEndpoint(
    remoteHost: string,
    remotePort: number,
    options: { localAddress?: HostPort; family?: number } = {},
  ): Promise<AsyncDatagramTransport> {
    throwIfCancelled();
    const descriptor = await connectUdp(remoteHost, remotePort, options);
    return new NativeDatagramTransport(this, descriptor);
  }

  async createUnixDatagramEndpoint(
    path: UnixPath,
    options: { localPath?: UnixPath } = {},
  ): Promise<AsyncDatagramTransport> {
    throwIfCancelled();
    const { descriptor, onClose } = await connectUnix(
      this,
      this.#constant('SOCK_DGRAM'),
      path,
      options.localPath,
    );
    return new NativeDatagramTransport(this, descriptor, null, onClose);
  }

  async wrapStreamSocket(socket: Socket | number): Promise<AsyncStreamTransport> {
    return this.#wrap(
      socket,
      'a connected stream socket',
      (owned) => new NativeStreamTransport(this, owned.descriptor, owned),
    );
  }

  async wrapConnectedDatagramSocket(socket: Socket | number): Promise<AsyncDatagramTransport> {
    return this.#wrap(
      socket,
      'a connected datagram socket',
      (owned) => new NativeDatagramTransport(this, owned.descriptor, owned),
    );
  }

  async createTcpListeners(
    host: Host,
    port: number,
    options: { backlog?: number; reusePort?: boolean } = {},
  ): Promise<AsyncListener<AsyncStreamTransport>[]> {
    throwIfCancelled();
    const descriptors = await bindTcp(host, port, options);
    return descriptors.map((descriptor) => new NativeStreamListener(this, descriptor));
  }

  async createUnixStreamListener(
    path: UnixPath,
    options: { backlog?: number; mode?: number } = {},
  ): Promise<AsyncListener<AsyncStreamTransport>> {
    throwIfCancelled();
    const { backlog = DEFAULT_BACKLOG, mode } = options;
    const { descriptor, onClose } = bindUnix(path, this.#constant('SOCK_STREAM'), {
      backlog,
      mode,
    });
    return new NativeStreamListener(this, descriptor, null, onClose);
  }

  async createUdpListeners(
    host: Host,
    port: number,
    options: { reusePort?: boolean } = {},
  ): Promise<AsyncDatagramListener<InetAddress>[]> {
    throwIfCancelled();
    const descriptors = await bindUdp(host, port, options);
    return descriptors.map(
      (descriptor) => new NativeDatagramListener<InetAddress>(this, descriptor),
    );
  }

  async createUnixDatagramListener(
    path: UnixPath,
    options: { mode?: number } = {},
  ): Promise<AsyncDatagramListener<UnixPath>> {
    throwIfCancelled();
    const { descriptor, onClose } = bindUnix(path, this.#constant('SOCK_DGRAM'), {
      mode: options.mode,
    });
    return new NativeDatagramListener<UnixPath>(this, descriptor, null, onClose);
  }

  async wrapListenerSocket(socket: Socket | number): Promise<AsyncListener<AsyncStreamTransport>> {
    return this.#wrap(
      socket,
      'a listening stream socket',
      (owned) => new NativeStreamListener(this, owned.descriptor, owned),
    );
  }

  async wrapDatagramListenerSocket(
    socket: Socket | number,
  ): Promise<AsyncDatagramListener<InetAddress | UnixPath>> {
    return this.#wrap(
      socket,
      'a bound datagram socket without a peer',
      (owned) => new NativeDatagramListener<InetAddress | UnixPath>(this, owned.descriptor, owned),
    );
  }

  async listenersFromEnvironment(): Promise<EnvironmentListener[]> {
    throwIfCancelled();
    const described = readEnvironmentFds(process.env);
    const sockets: NativeSocket[] = [];
    try {
      for (const { fd, name } of described) {
        const socket = NativeSocket.fromFd(fd);
        sockets.push(socket);
        const kind = kindOf(socket);
        if (
          kind !== 'a listening stream socket' &&
          kind !== 'a bound datagram socket without a peer'
        ) {
          throw invalidArgument(
            'LISTEN_FDS',
            `listening or unconnected sockets (fd ${String(fd)}, "${name}", is ${kind})`,
            process.env['LISTEN_FDS'],
          );
        }
      }
    } catch (error) {
      for (const socket of sockets) socket.detach();
      throw error;
    }
    forgetEnvironmentFds(process.env);
    return Promise.all(
      sockets.map(async (socket, index): Promise<EnvironmentListener> => {
        const { name } = described[index] as { name: string };
        return kindOf(socket) === 'a listening stream socket'
          ? { name, kind: 'stream', listener: await this.wrapListenerSocket(socket) }
          : { name, kind: 'datagram', listener: await this.wrapDatagramListenerSocket(socket) };
      }),
    );
  }

  /**
   * A checkpoint. Checks a socket from elsewhere, and takes it over; one that does not fit stays
   * the caller's, open.
   */
  async #wrap<T>(
    socket: Socket | number,
    wanted: SocketKind,
    take: (owned: NativeSocket) => T,
  ): Promise<T> {
    throwIfCancelled();
    if (typeof socket !== 'number' && !(socket instanceof NativeSocket))
      throw invalidArgument('socket', 'a Socket or an fd', socket);
    const owned = typeof socket === 'number' ? NativeSocket.fromFd(socket) : socket;
    const { descriptor } = owned;
    try {
      const usageError =
        descriptor.usageError('read', 'wrap') ?? descriptor.usageError('write', 'wrap');
      if (usageError !== null) throw usageError;
      const kind = kindOf(owned);
      if (kind !== wanted)
        throw invalidArgument('socket', `${wanted} (this one is ${kind})`, socket);
      descriptor.claim();
    } catch (error) {
      if (typeof socket === 'number') owned.detach();
      throw error;
    }
    if (descriptor.type.isTcp) sendAtOnce(descriptor);
    return take(owned);
  }

  #constant(name: string): number {
    return nativeBinding().constants[name] ?? -1;
  }
}

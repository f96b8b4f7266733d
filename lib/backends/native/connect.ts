import { nativeBinding } from '../../binding';
import type { InetAddress, SocketAddress, UnixPath } from '../../contract/addresses';
import type { AsyncBackend } from '../../contract/backend';
import { ECONNREFUSED, EINPROGRESS } from '../../errno';
import { systemError } from '../../errors';
import type { UnixConnector } from '../../networking/socket-driver';
import { decodeAddress, encodeAddress, errorTarget, type Sockaddr } from '../../socket/address';
import type { Descriptor } from '../../socket/descriptor';
import { type IoCall, perform, WOULD_BLOCK } from '../../socket/io-operation';
import { NativeDatagramTransport } from './datagram-transport';
import { bindTo, openInetSocket, openUnixSocket, sendAtOnce } from './open-socket';
import { NativeStreamTransport } from './stream-transport';
import { bindUnixPath } from './unix-file';

/** Room for any sockaddr. */
const name = new Uint8Array(128);

/** A connection attempt. */
interface Connecting {
  readonly address: SocketAddress;
  readonly sockaddr: Sockaddr;
  /** connect(2) was called, and the connection attempt is still under way. */
  isUnderWay: boolean;
}

const CONNECT: IoCall<Connecting, undefined> = {
  direction: 'write',
  name: 'connect',
  syscall: 'connect',
  attempt: (descriptor, connecting) => {
    const { native } = descriptor.reactor;
    const { address, sockaddr } = connecting;
    if (!connecting.isUnderWay) {
      const status = native.connect(descriptor.fd, sockaddr.bytes, sockaddr.length);
      if (status >= 0) return undefined;
      if (status !== EINPROGRESS) throw systemError(status, 'connect', errorTarget(address));
      connecting.isUnderWay = true;
    }
    if (descriptor.poll('write') === 0) return WOULD_BLOCK;
    const { SOL_SOCKET = 0, SO_ERROR = 0 } = native.constants;
    const error = new Int32Array(1);
    const status = native.getsockoptInt(descriptor.fd, SOL_SOCKET, SO_ERROR, error);
    const code = status < 0 ? status : -(error[0] as number);
    if (code < 0) throw systemError(code, 'connect', errorTarget(address));
    return undefined;
  },
};

/**
 * A checkpoint: connect(2), and the wait for its end. Rejects with EAGAIN if the backlog of a Unix
 * listener is full.
 */
function connectOnce(descriptor: Descriptor, address: SocketAddress): Promise<void> {
  const sockaddr = encodeAddress(address, 'connect');
  return perform(descriptor, CONNECT, { address, sockaddr, isUnderWay: false });
}

/** A checkpoint. A socket that does not get its connection is closed. */
async function connectInet(
  type: number,
  remote: InetAddress,
  local: InetAddress | null,
): Promise<Descriptor> {
  const descriptor = openInetSocket(remote, type);
  try {
    if (local !== null) bindTo(descriptor, local);
    await connectOnce(descriptor, remote);
    return descriptor;
  } catch (error) {
    descriptor.close();
    throw error;
  }
}

/**
 * Whether a TCP socket is its own peer. Without a listener, a connect to a local port can meet the
 * very socket that connects, if the kernel has given that port to it: simultaneous open, RFC 9293,
 * 3.5. (`Socket.connect` is connect(2), and leaves it to the caller.)
 */
function isSelfConnected({ fd, reactor: { native } }: Descriptor, { port }: InetAddress): boolean {
  const length = native.getsockname(fd, name);
  if (length < 0) return false;
  const own = decodeAddress(name, length) as InetAddress;
  // Nearly every connection ends here, with one system call.
  if (own.port !== port || native.getpeername(fd, name) !== length) return false;
  const peer = decodeAddress(name, length) as InetAddress;
  return own.address === peer.address && own.scopeId === peer.scopeId;
}

/** A reset: otherwise the port would stay in TIME_WAIT, and its server could not bind it. */
function reset(descriptor: Descriptor): void {
  const { native } = descriptor.reactor;
  const { SOL_SOCKET = 0, SO_LINGER = 0 } = native.constants;
  native.setsockoptBytes(descriptor.fd, SOL_SOCKET, SO_LINGER, Int32Array.of(1, 0));
  descriptor.close();
}

export async function connectTcp(
  backend: AsyncBackend,
  remote: InetAddress,
  local: InetAddress | null,
): Promise<NativeStreamTransport> {
  const { SOCK_STREAM = 0 } = nativeBinding().constants;
  const descriptor = await connectInet(SOCK_STREAM, remote, local);
  if (isSelfConnected(descriptor, remote)) {
    reset(descriptor);
    throw systemError(ECONNREFUSED, 'connect', errorTarget(remote));
  }
  sendAtOnce(descriptor);
  return new NativeStreamTransport(backend, descriptor);
}

export async function connectUdp(
  backend: AsyncBackend,
  remote: InetAddress,
  local: InetAddress | null,
): Promise<NativeDatagramTransport> {
  const { SOCK_DGRAM = 0 } = nativeBinding().constants;
  return new NativeDatagramTransport(backend, await connectInet(SOCK_DGRAM, remote, local));
}

export function openUnixStream(
  backend: AsyncBackend,
  localPath: UnixPath | undefined,
): UnixConnector<NativeStreamTransport> {
  const { SOCK_STREAM = 0 } = nativeBinding().constants;
  return openUnix(
    SOCK_STREAM,
    localPath,
    (descriptor, onClose) => new NativeStreamTransport(backend, descriptor, null, onClose),
  );
}

export function openUnixDatagram(
  backend: AsyncBackend,
  localPath: UnixPath | undefined,
): UnixConnector<NativeDatagramTransport> {
  const { SOCK_DGRAM = 0 } = nativeBinding().constants;
  return openUnix(
    SOCK_DGRAM,
    localPath,
    (descriptor, onClose) => new NativeDatagramTransport(backend, descriptor, null, onClose),
  );
}

/** The file of `localPath` stays from the first attempt to the last. */
function openUnix<T>(
  type: number,
  localPath: UnixPath | undefined,
  take: (descriptor: Descriptor, onClose: (() => void) | null) => T,
): UnixConnector<T> {
  const descriptor = openUnixSocket(type);
  let removeFile: (() => void) | null = null;
  try {
    if (localPath !== undefined) removeFile = bindUnixPath(descriptor, localPath);
  } catch (error) {
    descriptor.close();
    throw error;
  }
  return {
    connect: async (path) => {
      await connectOnce(descriptor, path);
      return take(descriptor, removeFile);
    },
    [Symbol.dispose]: () => {
      removeFile?.();
      descriptor.close();
    },
  };
}

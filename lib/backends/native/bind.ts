import { nativeBinding } from '../../binding';
import type { InetAddress, SocketAddress, UnixPath } from '../../contract/addresses';
import type { AsyncBackend } from '../../contract/backend';
import { systemError, UnsupportedOperationError } from '../../errors';
import type { BoundSocket } from '../../networking/socket-driver';
import { errorTarget } from '../../socket/address';
import type { Descriptor } from '../../socket/descriptor';
import { NativeDatagramListener } from './datagram-listener';
import { bindTo, openInetSocket, openUnixSocket, sendAtOnce, setOption } from './open-socket';
import { NativeStreamListener } from './stream-listener';
import { bindUnixPath } from './unix-file';

function bindInet(
  address: InetAddress,
  type: number,
  reusePort: boolean,
  prepare?: (descriptor: Descriptor) => void,
): Descriptor {
  const descriptor = openInetSocket(address, type);
  try {
    if (address.family === 'IPv6') setOption(descriptor, 'IPPROTO_IPV6', 'IPV6_V6ONLY', 1);
    prepare?.(descriptor);
    if (reusePort) shareThePort(descriptor);
    bindTo(descriptor, address);
    return descriptor;
  } catch (error) {
    descriptor.close();
    throw error;
  }
}

function shareThePort(descriptor: Descriptor): void {
  if (nativeBinding().constants['SO_REUSEPORT'] === undefined)
    throw new UnsupportedOperationError('This platform has no SO_REUSEPORT');
  const status = setOption(descriptor, 'SOL_SOCKET', 'SO_REUSEPORT', 1);
  if (status < 0) throw systemError(status, 'setsockopt');
}

function listen(descriptor: Descriptor, backlog: number, address: SocketAddress): void {
  const status = descriptor.reactor.native.listen(descriptor.fd, backlog);
  if (status < 0) throw systemError(status, 'listen', errorTarget(address));
}

export function bindTcp(
  backend: AsyncBackend,
  address: InetAddress,
  { backlog, reusePort }: { readonly backlog: number; readonly reusePort: boolean },
): BoundSocket<NativeStreamListener> {
  const { SOCK_STREAM = 0 } = nativeBinding().constants;
  const descriptor = bindInet(address, SOCK_STREAM, reusePort, (opened) => {
    // A server that restarts need not wait until the connections of its predecessor have left
    // TIME_WAIT.
    setOption(opened, 'SOL_SOCKET', 'SO_REUSEADDR', 1);
    // Accepted connections inherit TCP_NODELAY, which saves a system call for each.
    sendAtOnce(opened);
  });
  return {
    listener: new NativeStreamListener(backend, descriptor),
    listen: () => {
      listen(descriptor, backlog, address);
    },
  };
}

export function bindUdp(
  backend: AsyncBackend,
  address: InetAddress,
  { reusePort }: { readonly reusePort: boolean },
): BoundSocket<NativeDatagramListener<InetAddress>> {
  const { SOCK_DGRAM = 0 } = nativeBinding().constants;
  const descriptor = bindInet(address, SOCK_DGRAM, reusePort);
  return { listener: new NativeDatagramListener<InetAddress>(backend, descriptor) };
}

export function bindUnixStream(
  backend: AsyncBackend,
  path: UnixPath,
  { backlog, mode }: { readonly backlog: number; readonly mode: number | undefined },
): NativeStreamListener {
  const { SOCK_STREAM = 0 } = nativeBinding().constants;
  const { descriptor, removeFile } = bindUnix(path, SOCK_STREAM, mode);
  const listener = new NativeStreamListener(backend, descriptor, null, removeFile);
  try {
    listen(descriptor, backlog, path);
  } catch (error) {
    listener.closeNow();
    throw error;
  }
  return listener;
}

export function bindUnixDatagram(
  backend: AsyncBackend,
  path: UnixPath,
  { mode }: { readonly mode: number | undefined },
): NativeDatagramListener<UnixPath> {
  const { SOCK_DGRAM = 0 } = nativeBinding().constants;
  const { descriptor, removeFile } = bindUnix(path, SOCK_DGRAM, mode);
  return new NativeDatagramListener<UnixPath>(backend, descriptor, null, removeFile);
}

/** A bound Unix socket, and what removes its file when it is closed. */
function bindUnix(
  path: UnixPath,
  type: number,
  mode: number | undefined,
): { readonly descriptor: Descriptor; readonly removeFile: (() => void) | null } {
  const descriptor = openUnixSocket(type);
  try {
    return { descriptor, removeFile: bindUnixPath(descriptor, path, mode) };
  } catch (error) {
    descriptor.close();
    throw error;
  }
}

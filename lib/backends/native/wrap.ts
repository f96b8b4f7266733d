import { invalidArgument } from '../../arguments/validate';
import { nativeBinding } from '../../binding';
import type { InetAddress, UnixPath } from '../../contract/addresses';
import type { AsyncBackend } from '../../contract/backend';
import type { Socket } from '../../contract/socket';
import { ENOTCONN } from '../../errno';
import { systemError } from '../../errors';
import type { SocketRole } from '../../networking/socket-driver';
import { READABLE } from '../../socket/reactor';
import { NativeSocket } from '../../socket/socket';
import { NativeDatagramListener } from './datagram-listener';
import { NativeDatagramTransport } from './datagram-transport';
import { sendAtOnce } from './open-socket';
import { NativeStreamListener } from './stream-listener';
import { NativeStreamTransport } from './stream-transport';

export function wrapStream(backend: AsyncBackend, socket: unknown): NativeStreamTransport {
  const owned = takeOver(socket, 'a connected stream socket');
  return new NativeStreamTransport(backend, owned.descriptor, owned);
}

export function wrapConnectedDatagram(
  backend: AsyncBackend,
  socket: unknown,
): NativeDatagramTransport {
  const owned = takeOver(socket, 'a connected datagram socket');
  return new NativeDatagramTransport(backend, owned.descriptor, owned);
}

export function wrapListener(backend: AsyncBackend, socket: unknown): NativeStreamListener {
  const owned = takeOver(socket, 'a listening stream socket');
  return new NativeStreamListener(backend, owned.descriptor, owned);
}

export function wrapDatagramListener(
  backend: AsyncBackend,
  socket: unknown,
): NativeDatagramListener<InetAddress | UnixPath> {
  const owned = takeOver(socket, 'a bound datagram socket without a peer');
  return new NativeDatagramListener<InetAddress | UnixPath>(backend, owned.descriptor, owned);
}

/**
 * Checks a Socket or an fd, and claims it for a transport or listener. A socket that is refused
 * stays open, and the caller's.
 * @throws TypeError if it has another role; ClosedResourceError, BusyResourceError or
 *   InvalidStateError if it is closed, in use, or claimed already
 */
function takeOver(socket: unknown, wanted: SocketRole): NativeSocket {
  if (typeof socket !== 'number' && !(socket instanceof NativeSocket))
    throw invalidArgument('socket', 'a Socket or an fd', socket);
  const owned = typeof socket === 'number' ? NativeSocket.fromFd(socket) : socket;
  const { descriptor } = owned;
  try {
    const usageError =
      descriptor.usageError('read', 'wrap') ?? descriptor.usageError('write', 'wrap');
    if (usageError !== null) throw usageError;
    const role = roleOf(owned);
    if (role !== wanted) throw invalidArgument('socket', `${wanted} (this one is ${role})`, socket);
    descriptor.claim();
  } catch (error) {
    if (typeof socket === 'number') owned.detach();
    throw error;
  }
  if (descriptor.type.isTcp) sendAtOnce(descriptor);
  return owned;
}

/** What an fd can be used for. The fd stays the caller's. */
export function roleOfFd(fd: number): SocketRole {
  const socket = NativeSocket.fromFd(fd);
  try {
    return roleOf(socket);
  } finally {
    socket.detach();
  }
}

/** What a socket can be used for, as the kernel knows it. @throws the system's error */
function roleOf(socket: Socket): SocketRole {
  const {
    AF_INET,
    AF_INET6,
    AF_UNIX,
    SOCK_STREAM,
    SOCK_DGRAM,
    SOL_SOCKET = 0,
    SO_ACCEPTCONN = 0,
  } = nativeBinding().constants;
  const { family, type } = socket;
  if (family === AF_INET || family === AF_INET6 || family === AF_UNIX) {
    if (type === SOCK_DGRAM) {
      if (hasPeer(socket)) return 'a connected datagram socket';
      return isBound(socket)
        ? 'a bound datagram socket without a peer'
        : 'an unbound datagram socket';
    }
    if (type === SOCK_STREAM) {
      if (socket.getsockopt(SOL_SOCKET, SO_ACCEPTCONN) !== 0) return 'a listening stream socket';
      return hasPeer(socket) ? 'a connected stream socket' : 'a stream socket without a peer';
    }
  }
  return `a socket of family ${family} and type ${type}`;
}

/** A peer can send only to a bound socket: a listener on an unbound one would wait for ever. */
function isBound(socket: Socket): boolean {
  const address = socket.localAddress();
  if (typeof address === 'object' && 'port' in address) return address.port !== 0;
  return address !== '';
}

/** Whether the socket has, or had, a peer. */
function hasPeer(socket: Socket): boolean {
  const native = nativeBinding();
  const status = native.getpeername(socket.fd, new Uint8Array(native.limits.sockaddrMax));
  if (status >= 0) return true;
  if (status !== ENOTCONN) throw systemError(status, 'getpeername');
  // A connection that was reset has no peer any more, but its error is there to be received. A
  // socket that never had a connection, or is only being connected, is not readable.
  const ready = native.poll(socket.fd, READABLE);
  return ready > 0 && (ready & READABLE) !== 0;
}

import { type Socket as DatagramSocket, Socket as DatagramSocketClass } from 'node:dgram';
import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { checkInteger, invalidArgument } from '../../arguments/validate';
import type { AsyncBackend } from '../../contract/backend';
import { BusyResourceError, InvalidStateError, type SystemError } from '../../errors';
import type { SocketRole } from '../../networking/socket-driver';
import { outsideOfTasks } from '../../waiting/context';
import { inetAttributes, unixAttributes } from './attributes';
import { listenOnFd } from './bind';
import { NodeDatagramListener } from './datagram-listener';
import { NodeDatagramTransport } from './datagram-transport';
import { unsupported } from './platform';
import type { NodeStreamListener } from './stream-listener';
import { NodeStreamTransport } from './stream-transport';

const MAX_INT = 0x7fffffff;
const NOTHING = new Uint8Array(0);
const DETACH_FIRST =
  'node:net takes over fds: pass the fd that detach() of the Socket returns, or use the native backend';

/** Node's sockets that belong to a transport or listener. */
const claimed = new WeakSet<object>();

function claim(socket: object): void {
  if (claimed.has(socket))
    throw new InvalidStateError('The socket belongs to a transport or listener already');
  claimed.add(socket);
}

/**
 * What an fd can be used for, as far as a write of no bytes tells: it sends nothing, but only a
 * socket with a peer takes it. A stream socket without a peer counts as a listener here: net
 * listens on it.
 * @throws EBADF; TypeError if the fd is no socket
 */
export function roleOfFd(fd: number): SocketRole {
  checkInteger('socket', fd, 0, MAX_INT);
  if (!fstatSync(fd).isSocket())
    throw invalidArgument('socket', 'a socket (this fd is something else)', fd);
  try {
    writeSync(fd, NOTHING, 0, 0);
    return 'a connected stream socket';
  } catch (error) {
    const { code, errno } = error as Partial<SystemError>;
    if (code === 'EDESTADDRREQ') return 'a datagram socket';
    // ENOTCONN or EPIPE, by the kind of socket and the platform.
    if (typeof errno === 'number') return 'a listening stream socket';
    throw error;
  }
}

/** Opens an fd as a socket of net. If it throws, the caller still owns the fd. */
function openFd<T>(fd: number, wanted: string, opening: () => T): T {
  try {
    return outsideOfTasks(opening);
  } catch (error) {
    const { code } = error as SystemError;
    if (code === 'EEXIST')
      throw new BusyResourceError(`fd ${String(fd)} is open as another of Node's sockets already`);
    if (code === 'ERR_INVALID_FD_TYPE')
      throw invalidArgument('socket', `${wanted} (node:net cannot use this fd)`, fd);
    throw error;
  }
}

/**
 * Takes over a connected stream socket: an fd, or a net.Socket. A net.Socket with an encoding or a
 * 'readable' listener is refused, since its bytes would never come as such.
 */
export function wrapStream(backend: AsyncBackend, socket: unknown): NodeStreamTransport {
  const wanted = 'a connected stream socket: a net.Socket or an fd';
  if (typeof socket === 'number') {
    if (roleOfFd(socket) !== 'a connected stream socket')
      throw invalidArgument(
        'socket',
        `${wanted} (this one is not connected, or cannot send)`,
        socket,
      );
    const opened = openFd(
      socket,
      wanted,
      () => new Socket({ fd: socket, allowHalfOpen: true, readable: true, writable: true }),
    );
    claim(opened);
    return takeOver(backend, opened);
  }
  if (isNativeSocket(socket)) throw unsupported('a stream socket as a Socket', DETACH_FIRST);
  if (!(socket instanceof Socket) || 'encrypted' in socket)
    throw invalidArgument('socket', wanted, socket);
  // A net.Socket that was never connected has the state 'open', but is pending.
  if (socket.pending || socket.destroyed || socket.readyState === 'closed') {
    throw invalidArgument(
      'socket',
      `${wanted} (this one is ${socket.pending ? 'not connected' : 'closed'})`,
      socket,
    );
  }
  if (typeof socket.readableEncoding === 'string')
    throw invalidArgument('socket', `${wanted} (this one has an encoding set)`, socket);
  if (socket.listenerCount('readable') > 0)
    throw invalidArgument('socket', `${wanted} (this one has a 'readable' listener)`, socket);
  claim(socket);
  return takeOver(backend, socket);
}

/** An object around an fd: a Socket of this package, or a socket of another library. */
function hasFd(socket: unknown): boolean {
  // `fd` of a dgram.Socket is deprecated, and warns.
  return (
    !(socket instanceof DatagramSocketClass) &&
    typeof (socket as { readonly fd?: unknown } | null | undefined)?.fd === 'number'
  );
}

/** A Socket of this package. (This backend works without the addon, and does not import it.) */
function isNativeSocket(socket: unknown): boolean {
  return hasFd(socket) && typeof (socket as { readonly detach?: unknown }).detach === 'function';
}

function takeOver(backend: AsyncBackend, socket: Socket): NodeStreamTransport {
  socket.pause();
  socket.allowHalfOpen = true;
  while (socket.writableCorked > 0) socket.uncork();
  return new NodeStreamTransport(
    backend,
    socket,
    socket.remoteAddress === undefined
      ? unixAttributes(undefined, undefined)
      : inetAttributes(socket),
  );
}

/** Takes over a connected dgram.Socket. */
export function wrapConnectedDatagram(
  backend: AsyncBackend,
  socket: unknown,
): NodeDatagramTransport {
  const wanted = 'a connected dgram.Socket';
  const given = datagramSocket(socket, wanted);
  if (!isConnected(given, wanted))
    throw invalidArgument('socket', `${wanted} (this one is not connected)`, socket);
  claim(given);
  return new NodeDatagramTransport(backend, given);
}

/** Takes over a bound dgram.Socket that is not connected. */
export function wrapDatagramListener(backend: AsyncBackend, socket: unknown): NodeDatagramListener {
  const wanted = 'a bound dgram.Socket';
  const given = datagramSocket(socket, wanted);
  if (isConnected(given, wanted))
    throw invalidArgument('socket', `${wanted} (this one is connected)`, socket);
  try {
    given.address();
  } catch (error) {
    throw Object.assign(invalidArgument('socket', `${wanted} (this one is not bound)`, socket), {
      cause: error,
    });
  }
  claim(given);
  return new NodeDatagramListener(backend, given);
}

function datagramSocket(socket: unknown, wanted: string): DatagramSocket {
  if (socket instanceof DatagramSocketClass) return socket;
  if (typeof socket === 'number' || hasFd(socket)) {
    throw unsupported(
      typeof socket === 'number'
        ? 'a datagram socket by its fd'
        : 'a datagram socket that is no dgram.Socket',
      'node:dgram cannot tell the family or the peer of an fd: bind a dgram.Socket to the fd and pass that socket, or use the native backend',
    );
  }
  throw invalidArgument('socket', wanted, socket);
}

/** @throws TypeError if it is closed */
function isConnected(socket: DatagramSocket, wanted: string): boolean {
  try {
    socket.remoteAddress();
    return true;
  } catch (error) {
    const { code } = error as SystemError;
    if (code === 'ERR_SOCKET_DGRAM_NOT_CONNECTED') return false;
    throw Object.assign(invalidArgument('socket', `${wanted} (this one is closed)`, socket), {
      cause: error,
    });
  }
}

/** Takes over a listening stream socket, by its fd. An fd that is only bound begins to listen. */
export async function wrapListener(
  backend: AsyncBackend,
  socket: unknown,
): Promise<NodeStreamListener> {
  const wanted = 'the fd of a listening stream socket';
  if (isNativeSocket(socket)) throw unsupported('a listener as a Socket', DETACH_FIRST);
  if (typeof socket !== 'number') throw invalidArgument('socket', wanted, socket);
  const role = roleOfFd(socket);
  if (role !== 'a listening stream socket')
    throw invalidArgument('socket', `${wanted} (this one is ${role})`, socket);
  try {
    return await listenOnFd(backend, socket);
  } catch (error) {
    const { code } = error as SystemError;
    if (code === 'EEXIST')
      throw new BusyResourceError(
        `fd ${String(socket)} is open as another of Node's sockets already`,
      );
    if (code === 'EINVAL')
      throw Object.assign(invalidArgument('socket', wanted, socket), { cause: error });
    throw error;
  }
}

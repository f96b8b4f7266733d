import { type Socket as DatagramSocket, Socket as DatagramSocketClass } from 'node:dgram';
import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { AsyncBackend } from '../../contract/backend';
import { BusyResourceError, InvalidStateError, type SystemError } from '../../errors';
import { outsideOfTasks } from '../../waiting/context';
import { checkInteger, invalidArgument } from '../../arguments/validate';
import { listenOnFd } from './bind';
import { NodeDatagramListener } from './datagram-listener';
import { NodeDatagramTransport } from './datagram-transport';
import type { NodeStreamListener } from './stream-listener';
import { NodeStreamTransport } from './stream-transport';
import { inetAttributes, unixAttributes } from './attributes';
import { unsupported } from './unsupported';

const MAX_INT = 0x7fffffff;
const NOTHING = new Uint8Array(0);

export type NodeStreamSocket = Socket;
export type NodeDatagramSocket = DatagramSocket;

/** Node's sockets that a transport or listener has. */
const claimed = new WeakSet<object>();

function claim(socket: object): void {
  if (claimed.has(socket))
    throw new InvalidStateError('The socket belongs to a transport or listener already');
  claimed.add(socket);
}

/**
 * What an fd is, as far as a write of nothing tells: it sends nothing, but not every socket takes
 * it.
 */
export function probe(fd: number, wanted: string): 'connected' | 'not connected' | 'a UDP socket' {
  checkInteger('socket', fd, 0, MAX_INT);
  // EBADF comes as it is.
  if (!fstatSync(fd).isSocket())
    throw invalidArgument('socket', `${wanted} (this fd is no socket)`, fd);
  try {
    writeSync(fd, NOTHING, 0, 0);
    return 'connected';
  } catch (error) {
    const { code, errno } = error as Partial<SystemError>;
    if (code === 'EDESTADDRREQ') return 'a UDP socket';
    // ENOTCONN or EPIPE, by the kind of socket and the platform.
    if (typeof errno === 'number') return 'not connected';
    throw error;
  }
}

/** Opens an fd as one of net's sockets. Where that throws, the fd is still the caller's. */
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

/** Takes over a connected stream socket: an fd, or a net.Socket. */
export function wrapStream(backend: AsyncBackend, socket: unknown): NodeStreamTransport {
  const wanted = 'a connected stream socket: a net.Socket or an fd';
  if (typeof socket === 'number') {
    if (probe(socket, wanted) !== 'connected')
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
  if (!(socket instanceof Socket) || 'encrypted' in socket)
    throw invalidArgument('socket', wanted, socket);
  // One that was never connected calls itself open.
  if (socket.pending || socket.destroyed || socket.readyState === 'closed') {
    throw invalidArgument(
      'socket',
      `${wanted} (this one is ${socket.pending ? 'not connected' : 'closed'})`,
      socket,
    );
  }
  // Either way its bytes would never come as such.
  if (typeof socket.readableEncoding === 'string')
    throw invalidArgument('socket', `${wanted} (this one has an encoding set)`, socket);
  if (socket.listenerCount('readable') > 0)
    throw invalidArgument('socket', `${wanted} (this one has a 'readable' listener)`, socket);
  claim(socket);
  return takeOver(backend, socket);
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
  if (typeof socket === 'number') {
    throw unsupported(
      'a datagram socket by its fd',
      'node:dgram cannot tell the family nor the peer of an fd: bind a dgram.Socket to it and give that',
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

/** Takes over a listening stream socket, by its fd. */
export async function wrapListener(
  backend: AsyncBackend,
  socket: unknown,
): Promise<NodeStreamListener> {
  const wanted = 'the fd of a listening stream socket';
  if (typeof socket !== 'number') throw invalidArgument('socket', wanted, socket);
  const found = probe(socket, wanted);
  if (found !== 'not connected')
    throw invalidArgument('socket', `${wanted} (this one is ${found})`, socket);
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

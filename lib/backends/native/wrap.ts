import type { Socket } from '../../contract/socket';
import { nativeBinding } from '../../binding';
import { systemError } from '../../errors';
import { ENOTCONN } from '../../errno';
import { READABLE } from '../../socket/reactor';

/** What a socket from elsewhere is good for. */
export type SocketKind =
  | 'a connected stream socket'
  | 'a listening stream socket'
  | 'a connected datagram socket'
  | 'a bound datagram socket without a peer'
  | 'an unbound datagram socket'
  | 'a stream socket without a peer'
  | `of family ${number} and type ${number}`;

/** Asks the kernel. The socket stays as it is. @throws the system's error */
export function kindOf(socket: Socket): SocketKind {
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
  return `of family ${family} and type ${type}`;
}

/** Nothing can be sent to a socket without an address: a listener of it would wait for ever. */
function isBound(socket: Socket): boolean {
  const address = socket.localAddress();
  if (typeof address === 'object' && 'port' in address) return address.port !== 0;
  return address !== '';
}

/** Also if the peer has gone meanwhile. */
function hasPeer(socket: Socket): boolean {
  const native = nativeBinding();
  const status = native.getpeername(socket.fd, new Uint8Array(native.limits.sockaddrMax));
  if (status >= 0) return true;
  if (status !== ENOTCONN) throw systemError(status, 'getpeername');
  // A connection that was reset knows its peer no more, but has something to tell. One that never
  // was, or is only being made, has not.
  const ready = native.poll(socket.fd, READABLE);
  return ready > 0 && (ready & READABLE) !== 0;
}

import type { Socket as DatagramSocket } from 'node:dgram';
import type { Socket } from 'node:net';
import { NetworkingBackend } from '../../networking/networking-backend';
import type { SocketDriver } from '../../networking/socket-driver';
import type { BackendOptions } from '../../threads/threaded-backend';
import { bindTcp, bindUdp, bindUnixDatagram, bindUnixStream } from './bind';
import { connectTcp, connectUdp, openUnixDatagram, openUnixStream } from './connect';
import { networkConstants } from './platform';
import { getaddrinfo, getnameinfo } from './resolve';
import {
  roleOfFd,
  wrapConnectedDatagram,
  wrapDatagramListener,
  wrapListener,
  wrapStream,
} from './wrap';

const driver: SocketDriver = {
  constants: networkConstants,
  getaddrinfo,
  getnameinfo,
  connectTcp,
  connectUdp,
  openUnixStream,
  openUnixDatagram,
  bindTcp,
  bindUdp,
  bindUnixStream,
  bindUnixDatagram,
  wrapStream,
  wrapConnectedDatagram,
  wrapListener,
  wrapDatagramListener,
  roleOf: roleOfFd,
};

/**
 * The backend on node:net, node:dgram and node:dns alone. It loads no addon, and runs wherever
 * these modules do.
 *
 * It keeps to what `AsyncBackend` says, with these exceptions.
 * - What Node's modules do not have rejects with UnsupportedOperationError: Unix datagrams, the
 *   local path of a Unix connection, control messages, peer credentials, `Socket` objects and
 *   socket options, service names and canonical names in `getaddrinfo`, flags of `getnameinfo`
 *   other than NI_NUMERICHOST, NI_NUMERICSERV and NI_NAMEREQD. There is no
 *   `SocketAttribute.socket`.
 * - A Unix path is the name of a pipe on Windows. The umask alone decides the permissions of a
 *   socket file for a moment, until `mode` is set.
 * - The wrap methods take sockets of Node: a net.Socket or the fd of a stream, the fd of a
 *   listener, a dgram.Socket. Data that a net.Socket has received, and its owner has not read, is
 *   received first. An fd that is bound and does not listen begins to listen. The fd of a datagram
 *   socket is unsupported, also in `listenersFromEnvironment`, which rejects with TypeError.
 * - net cannot give an fd back: if taking over one socket of the service manager fails, the sockets
 *   that were taken over before it are closed.
 * - Streams read somewhat ahead of their readers (some 100 KB). Datagrams that no task receives
 *   wait in memory up to 2 MB, and are dropped from there on.
 * - A stream send that is cancelled before the kernel took all of it ends the connection, since net
 *   cannot take back the rest. Datagram sends are not interrupted: they end at once, or as soon as
 *   the network takes them.
 * - An error of a send ends receiving too: what the kernel still held is lost.
 * - Listeners accept also while no task serves, up to `backlog` connections.
 */
export class NodeBackend extends NetworkingBackend<Socket, DatagramSocket> {
  readonly name = 'node';

  constructor(options?: BackendOptions) {
    super(driver, options);
  }
}

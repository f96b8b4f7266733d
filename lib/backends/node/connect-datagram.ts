import type { HostPort, InetAddress } from '../../contract/addresses';
import { createSocket, type Socket, type SocketOptions } from 'node:dgram';
import type { AsyncBackend } from '../../contract/backend';
import { combineErrors, isRefusal } from '../../networking/happy-eyeballs';
import { outsideOfTasks } from '../../waiting/context';
import { throwIfCancelled } from '../../waiting/context';
import { outOfRange } from '../../arguments/validate';
import { checkPort, hostText } from './address';
import { checkHost, type Local, localCandidates, resolveLocal } from './connect';
import { NodeDatagramTransport } from './datagram-transport';
import { AF_INET, AF_INET6, AF_UNSPEC, SOCK_DGRAM } from './platform';
import { addrConfigFor, resolveHost } from './resolve';

/**
 * A new socket. What it sends to is numeric always: there is nothing to look up, and nothing to
 * wait for.
 */
export function openDatagramSocket(family: number, options: Partial<SocketOptions> = {}): Socket {
  const version = family === AF_INET6 ? 6 : 4;
  return outsideOfTasks(() =>
    createSocket({
      ...options,
      type: version === 6 ? 'udp6' : 'udp4',
      lookup: (host, _options, done) => {
        done(null, host, version);
      },
    }),
  );
}

/** Binds. It does not wait; dgram calls back, later or at once. */
export function bindDatagramSocket(
  socket: Socket,
  { address, port }: { readonly address: string; readonly port: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('listening', () => {
      socket.off('error', reject);
      resolve();
    });
    socket.bind({ address, port, exclusive: true });
  });
}

/**
 * Connects, which for UDP does not wait either. A socket that is not bound yet is bound on the way.
 */
function connectDatagramSocket(socket: Socket, address: InetAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    // That of binding it on the way.
    socket.once('error', reject);
    socket.connect(address.port, hostText(address), ((error?: Error) => {
      socket.off('error', reject);
      if (error === undefined) resolve();
      else reject(error);
    }) as () => void);
  });
}

async function bindLocal(socket: Socket, local: Local, family: number): Promise<void> {
  const errors: unknown[] = [];
  for (const { address } of localCandidates(local, family)) {
    try {
      await bindDatagramSocket(socket, { address: hostText(address), port: address.port });
      return;
    } catch (error) {
      errors.push(error);
    }
  }
  throw combineErrors(errors, 'no local address could be bound');
}

/** A connected UDP socket: see `createUdpEndpoint`. */
export async function connectUdp(
  backend: AsyncBackend,
  host: string,
  port: number,
  { localAddress, family = AF_UNSPEC }: { localAddress?: HostPort; family?: number },
): Promise<NodeDatagramTransport> {
  checkHost('remoteHost', host);
  checkPort('remotePort', port);
  if (family !== AF_UNSPEC && family !== AF_INET && family !== AF_INET6) {
    throw outOfRange(
      'family',
      `AF_UNSPEC (${AF_UNSPEC}), AF_INET (${AF_INET}) or AF_INET6 (${AF_INET6})`,
      family,
    );
  }
  const remote = await resolveHost(backend, host, port, {
    family,
    type: SOCK_DGRAM,
    flags: addrConfigFor(host),
  });
  const local = await resolveLocal(backend, localAddress, SOCK_DGRAM);
  const errors: unknown[] = [];
  for (const { family: candidate, address } of remote) {
    throwIfCancelled();
    const socket = openDatagramSocket(candidate);
    try {
      if (local !== null) await bindLocal(socket, local, candidate);
      await connectDatagramSocket(socket, address);
      return new NodeDatagramTransport(backend, socket);
    } catch (error) {
      socket.close();
      if (!isRefusal(error)) throw error;
      errors.push(error);
    }
  }
  throw combineErrors(errors, 'all addresses failed');
}

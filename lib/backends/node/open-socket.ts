import { createSocket, type Socket as DatagramSocket, type SocketOptions } from 'node:dgram';
import { createServer, type ListenOptions, type Server } from 'node:net';
import type { InetAddress } from '../../contract/addresses';
import { outsideOfTasks } from '../../waiting/context';
import { hostText } from './address';

/** A server whose connections arrive paused: not a byte is read before the first receive. */
export function openServer(): Server {
  return outsideOfTasks(() =>
    createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }),
  );
}

/**
 * Lets a server bind and listen. net calls back soon, with success or an error, so the wait cannot
 * be cancelled.
 * @param onBound runs before any connection can be accepted, if the server binds within this call,
 *   as it does for a path. If it throws, the caller has to close the server
 */
export function listen(
  server: Server,
  options: ListenOptions & { reusePort?: boolean; fd?: number },
  onBound?: () => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    // The handle that this opens would keep the caller's context, and give it to each connection.
    outsideOfTasks(() => server.listen({ ...options, exclusive: true }));
    if (onBound !== undefined && server.listening) {
      try {
        onBound();
      } catch (error) {
        reject(error);
      }
    }
  });
}

/**
 * A new socket of the family of `address`. Its destinations are numeric, so its `lookup` answers
 * at once.
 */
export function openDatagramSocket(
  { family }: InetAddress,
  options: Partial<SocketOptions> = {},
): DatagramSocket {
  const isV6 = family === 'IPv6';
  return outsideOfTasks(() =>
    createSocket({
      ...options,
      type: isV6 ? 'udp6' : 'udp4',
      lookup: (host, _options, done) => {
        done(null, host, isV6 ? 6 : 4);
      },
    }),
  );
}

/** Binds. dgram calls back at once or soon, so the wait cannot be cancelled. */
export function bindDatagramSocket(socket: DatagramSocket, address: InetAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('listening', () => {
      socket.off('error', reject);
      resolve();
    });
    socket.bind({ address: hostText(address), port: address.port, exclusive: true });
  });
}

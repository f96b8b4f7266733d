import type { UnixPath } from '../../contract/addresses';
import type { TypedAttribute } from '../../contract/attributes';
import type { Socket } from 'node:net';
import { type AttributeGetters, SocketAttribute } from '../../transports/attributes';
import { inetAddress } from './address';
import { AF_INET, AF_INET6, AF_UNIX } from './platform';

function available<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the connection is gone, or net does not know');
  return value;
}

/** Of a TCP connection. Net asks the kernel at the first look. */
export function inetAttributes(socket: Socket): AttributeGetters {
  const local = (): string => available(socket.localAddress);
  return new Map<TypedAttribute<unknown>, () => unknown>([
    [SocketAttribute.family, () => (local().includes(':') ? AF_INET6 : AF_INET)],
    [SocketAttribute.localAddress, () => inetAddress(local(), available(socket.localPort))],
    [
      SocketAttribute.remoteAddress,
      () => inetAddress(available(socket.remoteAddress), available(socket.remotePort)),
    ],
  ]);
}

/** Of a Unix connection: net knows no names, so they are what whoever made it knows. */
export function unixAttributes(
  local: UnixPath | undefined,
  remote: UnixPath | undefined,
): AttributeGetters {
  return new Map<TypedAttribute<unknown>, () => unknown>([
    [SocketAttribute.family, () => AF_UNIX],
    [SocketAttribute.localAddress, () => available(local)],
    [SocketAttribute.remoteAddress, () => available(remote)],
  ]);
}

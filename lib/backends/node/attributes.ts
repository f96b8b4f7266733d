import type { Socket } from 'node:net';
import type { UnixPath } from '../../contract/addresses';
import type { TypedAttribute } from '../../contract/attributes';
import { type AttributeGetters, SocketAttribute } from '../../transports/attributes';
import { inetAddress } from './address';
import { AF_INET, AF_INET6, AF_UNIX } from './platform';

function available<T>(value: T | undefined): T {
  if (value === undefined)
    throw new Error('the connection is gone, or node:net does not know the address');
  return value;
}

/** The attributes of a TCP connection. net asks the kernel for them when they are first read. */
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

/** The attributes of a Unix connection. net does not report Unix names: the caller passes them. */
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

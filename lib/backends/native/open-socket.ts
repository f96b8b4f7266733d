import { nativeBinding } from '../../binding';
import type { InetAddress, SocketAddress } from '../../contract/addresses';
import { systemError } from '../../errors';
import { encodeAddress, errorTarget } from '../../socket/address';
import { Descriptor, socketType } from '../../socket/descriptor';

/** A new socket of the family of `address`. @throws EAFNOSUPPORT, EMFILE, … */
export function openInetSocket({ family }: InetAddress, type: number): Descriptor {
  const { AF_INET = 0, AF_INET6 = 0 } = nativeBinding().constants;
  return openSocket(family === 'IPv6' ? AF_INET6 : AF_INET, type);
}

/** A new Unix socket. @throws EMFILE, … */
export function openUnixSocket(type: number): Descriptor {
  const { AF_UNIX = 1 } = nativeBinding().constants;
  return openSocket(AF_UNIX, type);
}

function openSocket(family: number, type: number): Descriptor {
  const fd = nativeBinding().socket(family, type, 0);
  if (fd < 0) throw systemError(fd, 'socket');
  return new Descriptor(fd, socketType(family, type, 0));
}

/** bind(2). @throws the system's error, with the address */
export function bindTo(descriptor: Descriptor, address: SocketAddress): void {
  const { bytes, length } = encodeAddress(address, 'bind');
  const status = descriptor.reactor.native.bind(descriptor.fd, bytes, length);
  if (status < 0) throw systemError(status, 'bind', errorTarget(address));
}

/**
 * setsockopt(2), by names of `constants`.
 * @returns a negative code if it failed; 0 also if the platform does not have the option
 */
export function setOption(
  descriptor: Descriptor,
  level: string,
  option: string,
  value: number,
): number {
  const { native } = descriptor.reactor;
  const levelNumber = native.constants[level];
  const optionNumber = native.constants[option];
  if (levelNumber === undefined || optionNumber === undefined) return 0;
  return native.setsockoptInt(descriptor.fd, levelNumber, optionNumber, value);
}

/**
 * TCP_NODELAY, which every TCP transport of this library has: small segments are sent at once, as a
 * server that answers requests needs it.
 */
export function sendAtOnce(descriptor: Descriptor): void {
  setOption(descriptor, 'IPPROTO_TCP', 'TCP_NODELAY', 1);
}

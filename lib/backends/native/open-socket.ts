import type { SocketAddress } from '../../contract/addresses';
import { nativeBinding } from '../../binding';
import { systemError } from '../../errors';
import { encodeAddress, errorTarget } from '../../socket/address';
import { Descriptor, socketType } from '../../socket/descriptor';

/** A new socket of ours. @throws EAFNOSUPPORT, EMFILE, … */
export function openSocket(family: number, type: number): Descriptor {
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
 * setsockopt(2), by names of `constants`. @returns a negative code if it failed; 0 also where the
 * platform has no such option
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
 * Small segments go at once: what a server that answers requests wants, and what every TCP
 * transport of this library has.
 */
export function sendAtOnce(descriptor: Descriptor): void {
  setOption(descriptor, 'IPPROTO_TCP', 'TCP_NODELAY', 1);
}

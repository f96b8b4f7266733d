import type { Bytes } from '../contract/bytes';
import type { ReceivedMessage } from '../contract/socket';
import { EMSGSIZE } from '../errno';
import { systemError } from '../errors';
import type { Sockaddr } from './address';
import { closeReceivedFds } from './ancillary';
import type { Descriptor } from './descriptor';
import { WOULD_BLOCK } from './io-operation';
import { receiveMessage } from './message';
import { copyPacket, scratch } from './receive-memory';

/** No UDP datagram is longer: the length field has 16 bits (RFC 768). */
const MAX_UDP_BYTES = 65536;

const result = new Int32Array(2);
const peeked = new Uint8Array(1);

/**
 * Memory that the next datagram fits into, or WOULD_BLOCK. A Unix datagram may be as long as its
 * sender's buffer, so the kernel is asked for its length. (The answer holds until the datagram is
 * received, and only this descriptor receives here.)
 */
function roomForNext(descriptor: Descriptor): Uint8Array | typeof WOULD_BLOCK {
  if (descriptor.type.isInet) return scratch(MAX_UDP_BYTES);
  const { native } = descriptor.reactor;
  // Negative if the family has no such call.
  let length = native.unreadSize(descriptor.fd);
  if (length === 0) {
    // There is no datagram, or an empty one. If there is none, a datagram of any length could
    // arrive before the next call. So the two cases must be told apart.
    const count = native.recv(descriptor.fd, peeked, native.constants['MSG_PEEK'] ?? 0);
    if (count < 0) return receiveFailed(descriptor, count);
    length = native.unreadSize(descriptor.fd);
  }
  return scratch(Math.max(MAX_UDP_BYTES, length));
}

/**
 * Receives one whole datagram, in memory that nothing overwrites later. `name`, if given, is filled
 * with the sender's sockaddr, whose length is returned beside the data.
 *
 * @throws EMSGSIZE if the datagram was longer than could be known before: the family is neither IP
 *   nor Unix, or another process receives from this socket, too
 */
export function receiveDatagram(
  descriptor: Descriptor,
  name: Uint8Array | null,
): { data: Uint8Array; nameLength: number } | typeof WOULD_BLOCK {
  const memory = roomForNext(descriptor);
  if (memory === WOULD_BLOCK) return WOULD_BLOCK;
  const count = descriptor.reactor.native.recvfrom(descriptor.fd, memory, name, result);
  if (count < 0) return receiveFailed(descriptor, count);
  checkWhole(descriptor, result[0] as number);
  return { data: copyPacket(memory, 0, count), nameLength: result[1] as number };
}

/**
 * Receives one datagram into `buffer`. @throws EMSGSIZE if it does not fit: the kernel has dropped
 * the rest.
 */
export function receiveDatagramInto(
  descriptor: Descriptor,
  buffer: Bytes,
): number | typeof WOULD_BLOCK {
  const count = descriptor.reactor.native.recvfrom(descriptor.fd, buffer, null, result);
  if (count < 0) return receiveFailed(descriptor, count);
  checkWhole(descriptor, result[0] as number);
  return count;
}

/**
 * Receives one whole datagram, with its control messages and sender. @throws as `receiveDatagram`;
 * the fds of a truncated datagram are closed
 */
export function receiveDatagramMessage(
  descriptor: Descriptor,
  ancillaryBufsize: number,
): (ReceivedMessage & { readonly data: Uint8Array }) | typeof WOULD_BLOCK {
  const memory = roomForNext(descriptor);
  if (memory === WOULD_BLOCK) return WOULD_BLOCK;
  const message = receiveMessage(descriptor, [memory], ancillaryBufsize, 0);
  if (message === null) return WOULD_BLOCK;
  try {
    checkWhole(descriptor, message.flags);
    return { ...message, data: copyPacket(memory, 0, message.bytes) };
  } catch (error) {
    closeReceivedFds(message.ancillary);
    throw error;
  }
}

function checkWhole(descriptor: Descriptor, flags: number): void {
  if ((flags & (descriptor.reactor.native.constants['MSG_TRUNC'] ?? 0)) !== 0)
    throw systemError(EMSGSIZE, 'recvmsg');
}

function receiveFailed(descriptor: Descriptor, code: number): typeof WOULD_BLOCK {
  if (descriptor.wouldBlock('read', code)) return WOULD_BLOCK;
  throw systemError(code, 'recvmsg');
}

/** Sends one datagram, whole or not at all. */
export function sendDatagram(
  descriptor: Descriptor,
  data: readonly Bytes[],
  to: Sockaddr | null,
  control: Uint8Array | null,
): undefined | typeof WOULD_BLOCK {
  const { native } = descriptor.reactor;
  const [only] = data;
  const isPlain = to === null && control === null && only !== undefined && data.length === 1;
  const count = isPlain
    ? native.send(descriptor.fd, only, 0, 0)
    : native.sendmsg(
        descriptor.fd,
        data,
        0,
        to === null ? null : to.bytes,
        to === null ? 0 : to.length,
        control,
        control === null ? 0 : control.length,
        0,
      );
  if (count >= 0) return undefined;
  if (descriptor.wouldBlock('write', count)) return WOULD_BLOCK;
  throw systemError(count, isPlain ? 'send' : 'sendmsg');
}

import type { NativeBinding } from '../binding';
import type { Bytes } from '../contract/bytes';

/** recvmsg writes flags and the lengths of name and control messages here. They are not used. */
const unused = new Int32Array(3);

/**
 * sendmsg(2) without control messages, from byte `skip` of the first buffer on. A few buffers are
 * passed as arguments, which costs less than an array.
 */
export function sendBuffers(
  native: NativeBinding,
  fd: number,
  buffers: readonly Bytes[],
  skip: number,
  flags: number,
): number {
  return buffers.length <= native.limits.directMax
    ? native.sendv(fd, flags, skip, ...buffers)
    : native.sendmsg(fd, buffers, skip, null, 0, null, 0, flags);
}

/** recvmsg(2) without control messages, likewise. */
export function receiveBuffers(
  native: NativeBinding,
  fd: number,
  buffers: readonly Bytes[],
  flags: number,
): number {
  return buffers.length <= native.limits.directMax
    ? native.recvv(fd, flags, ...buffers)
    : native.recvmsg(fd, buffers, null, null, unused, flags);
}

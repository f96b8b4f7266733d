import { totalLength } from '../arguments/buffers';
import { type NativeBinding, nativeBinding } from '../binding';
import type { SocketAddress } from '../contract/addresses';
import type { Bytes } from '../contract/bytes';
import type { ReceivedMessage } from '../contract/socket';
import { EAGAIN } from '../errno';
import { systemError } from '../errors';
import { decodeAddress, errorTarget, type Sockaddr } from './address';
import { decodeAncillary } from './ancillary';
import type { Descriptor } from './descriptor';
import { sendBuffers } from './scatter-gather';

const result = new Int32Array(3);

/** One recvmsg(2); null if it would block. */
export function receiveMessage(
  descriptor: Descriptor,
  buffers: readonly Bytes[],
  ancillaryBufsize: number,
  flags: number,
): ReceivedMessage | null {
  const native = nativeBinding();
  const name = new Uint8Array(native.limits.sockaddrMax);
  const control = ancillaryBufsize > 0 ? new Uint8Array(ancillaryBufsize) : null;
  // Allocated before the call: nothing may fail between the call and the moment when the received
  // fds have an owner.
  const parts = isTooMany(native, descriptor, buffers) ? buffers.map(asBytes) : null;
  const whole = parts === null ? null : new Uint8Array(totalLength(parts));
  const bytes = native.recvmsg(
    descriptor.fd,
    whole === null ? buffers : [whole],
    name,
    control,
    result,
    flags,
  );
  if (bytes === EAGAIN) {
    // With flags, the call may have asked for another queue: errors, or urgent data.
    if (flags === 0) descriptor.wouldBlock('read', bytes);
    return null;
  }
  if (bytes < 0) throw systemError(bytes, 'recvmsg');
  const [messageFlags = 0, nameLength = 0, controlLength = 0] = result;
  const truncated = (messageFlags & (native.constants['MSG_CTRUNC'] ?? 0)) !== 0;
  const ancillary =
    control === null
      ? truncated
        ? { truncated }
        : {}
      : decodeAncillary(control, controlLength, truncated);
  if (parts !== null && whole !== null) scatter(whole.subarray(0, bytes), parts);
  return {
    bytes,
    flags: messageFlags,
    address: senderOf(native, descriptor, name, nameLength),
    ancillary,
  };
}

function senderOf(
  native: NativeBinding,
  descriptor: Descriptor,
  name: Uint8Array,
  length: number,
): ReceivedMessage['address'] {
  const address = decodeAddress(name, Math.min(length, name.length));
  // The kernel returns no name at all for a Unix sender without one.
  const { family, isStream } = descriptor.type;
  return address === null && family === native.constants['AF_UNIX'] && !isStream ? '' : address;
}

/** One sendmsg(2), with encoded arguments; null if it would block. */
export function sendMessage(
  descriptor: Descriptor,
  buffers: readonly Bytes[],
  name: Sockaddr | null,
  control: Uint8Array | null,
  flags: number,
  address: SocketAddress | undefined,
): number | null {
  const native = nativeBinding();
  const whole = isTooMany(native, descriptor, buffers) ? [gather(buffers)] : buffers;
  const sent =
    name === null && control === null
      ? sendBuffers(native, descriptor.fd, whole, 0, flags)
      : native.sendmsg(
          descriptor.fd,
          whole,
          0,
          name === null ? null : name.bytes,
          name === null ? 0 : name.length,
          control,
          control === null ? 0 : control.length,
          flags,
        );
  if (sent >= 0) return sent;
  if (sent === EAGAIN) return null;
  throw systemError(sent, 'sendmsg', address === undefined ? undefined : errorTarget(address));
}

/**
 * Whether a message has more buffers than one call takes. A message must stay whole, so it is then
 * copied through one buffer. (A stream may be received and sent in parts.)
 */
export function isTooMany(
  native: NativeBinding,
  descriptor: Descriptor,
  buffers: readonly Bytes[],
): boolean {
  return buffers.length > native.limits.iovMax && !descriptor.type.isStream;
}

export function gather(buffers: readonly Bytes[]): Uint8Array {
  const whole = new Uint8Array(totalLength(buffers));
  let offset = 0;
  for (const buffer of buffers) {
    whole.set(asBytes(buffer), offset);
    offset += buffer.byteLength;
  }
  return whole;
}

function scatter(source: Uint8Array, parts: readonly Uint8Array[]): void {
  let offset = 0;
  for (const part of parts) {
    part.set(source.subarray(offset, offset + part.length));
    offset += part.length;
  }
}

function asBytes(view: Bytes): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

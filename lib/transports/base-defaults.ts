import type { Bytes } from '../contract/bytes';
import type { AsyncBaseTransport, AsyncDatagramWriteTransport } from '../contract/transports';
import { bytesOf, totalLength } from '../arguments/buffers';
import { ClosedResourceError, UnsupportedOperationError, withPacketsSent } from '../errors';

/** What the halves and the full base classes do alike. */

const EMPTY = new Uint8Array(0);

/** A call with control messages: it rejects. */
export async function noAncillary(method: string): Promise<never> {
  throw new UnsupportedOperationError(
    `${method}(): this transport does not have ancillary data support`,
  );
}

/** A call that has nothing to receive or to send: a checkpoint all the same. */
export async function nothingToDo(transport: AsyncBaseTransport, method: string): Promise<void> {
  await transport.backend().coroYield();
  if (transport.isClosing()) throw new ClosedResourceError(`${method}() called after aclose()`);
}

/** One buffer with all bytes: the only one that has any, or a copy. */
export function join(buffers: readonly Bytes[]): Bytes {
  const filled = buffers.filter(({ byteLength }) => byteLength > 0);
  const [only = EMPTY] = filled;
  if (filled.length <= 1) return only;
  const joined = new Uint8Array(totalLength(filled));
  let offset = 0;
  for (const buffer of filled) {
    joined.set(bytesOf(buffer), offset);
    offset += buffer.byteLength;
  }
  return joined;
}

/** `sendMany` by one `send` after the other. */
export async function sendEach(
  transport: AsyncDatagramWriteTransport,
  packets: readonly Bytes[],
): Promise<void> {
  if (packets.length === 0) return nothingToDo(transport, 'sendMany');
  let packetsSent = 0;
  try {
    for (const packet of packets) {
      await transport.send(packet);
      packetsSent++;
    }
  } catch (error) {
    throw withPacketsSent(error, packetsSent);
  }
}

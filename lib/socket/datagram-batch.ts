import { checkBytesList } from '../arguments/buffers';
import type { Bytes } from '../contract/bytes';
import { EINVAL, EIO, EMSGSIZE } from '../errno';
import { CancelledError, type SystemError, systemError } from '../errors';
import { spend } from '../waiting/turn-budget';
import { receiveDatagram } from './datagram-io';
import type { Descriptor } from './descriptor';
import { IoOperation, WOULD_BLOCK } from './io-operation';
import { copyPacket } from './receive-memory';

/**
 * Datagrams per recvmmsg(2): the cost of the call is well spread by then. (Published measurements
 * show little gain past 8; measured here, there is little past 32.)
 */
const BATCH = 32;
const SLOT_BYTES = 65536;
/**
 * Datagrams per step. While a peer floods, there is always one more datagram, and other tasks must
 * get their turn.
 */
const MAX_STEP = 256;

let slab: Uint8Array | undefined;
const sizes = new Int32Array(BATCH);

/**
 * Receives the datagrams that have arrived, at most `max` (and at most 256), each in memory that
 * nothing overwrites later.
 */
export function receiveDatagrams(
  descriptor: Descriptor,
  max: number,
): Uint8Array[] | typeof WOULD_BLOCK {
  const packets: Uint8Array[] = [];
  const limit = Math.min(max, MAX_STEP);
  while (packets.length < limit) {
    const left = limit - packets.length;
    const more = descriptor.type.isInet
      ? receiveBatch(descriptor, Math.min(left, BATCH), packets)
      : receiveSingle(descriptor, packets);
    if (!more) break;
  }
  return packets.length === 0 ? WOULD_BLOCK : packets;
}

/** @returns whether there may be more */
function receiveBatch(descriptor: Descriptor, count: number, packets: Uint8Array[]): boolean {
  slab ??= new Uint8Array(BATCH * SLOT_BYTES);
  const received = descriptor.reactor.native.recvmmsg(
    descriptor.fd,
    slab,
    SLOT_BYTES,
    count,
    sizes,
    null,
    null,
  );
  if (descriptor.wouldBlock('read', received)) return false;
  if (received < 0) {
    // The kernel reports an error once. It is kept for the next receive, behind the datagrams that
    // came before it.
    if (packets.length > 0) descriptor.readError = received;
    else throw systemError(received, 'recvmmsg');
    return false;
  }
  for (let i = 0; i < received; i++) {
    const size = sizes[i] as number;
    if (size >= 0) packets.push(copyPacket(slab, i * SLOT_BYTES, size));
    // Truncated: a datagram of a protocol over IP other than UDP. The error is kept for the next
    // receive, behind the whole datagrams.
    else descriptor.readError = size;
  }
  return received === count;
}

function receiveSingle(descriptor: Descriptor, packets: Uint8Array[]): boolean {
  let datagram: ReturnType<typeof receiveDatagram>;
  try {
    datagram = receiveDatagram(descriptor, null);
  } catch (error) {
    const { errno } = error as Partial<SystemError>;
    if (packets.length === 0 || errno === undefined) throw error;
    descriptor.readError = errno;
    return false;
  }
  if (datagram === WOULD_BLOCK) return false;
  packets.push(datagram.data);
  return true;
}

/** The most segments and bytes per call with UDP_SEGMENT (udp(7)). */
const MAX_SEGMENTS = 64;
const MAX_GSO_BYTES = 65000;

/**
 * Sends packets to the socket's peer, in order: runs of packets of one size by segmentation
 * offload, the others by sendmmsg(2).
 */
export class SendMany extends IoOperation<void> {
  readonly syscall = 'sendmmsg';
  readonly #packets: readonly Bytes[];
  #sent = 0;
  #control: Uint8Array | null = null;

  /** @param packets must not change until the operation ends */
  constructor(descriptor: Descriptor, packets: readonly Bytes[], owner: object | null = null) {
    super(descriptor, 'write', owner);
    this.#packets = packets;
  }

  /**
   * Sends until all packets are sent, the kernel has no room, or the turn's budget is spent: the
   * number of packets has no bound.
   */
  attempt(): undefined | typeof WOULD_BLOCK {
    const { descriptor } = this;
    const packets = this.#packets;
    try {
      checkBytesList('packets', packets);
    } catch (error) {
      throw this.#withCount(error as Error);
    }
    if (packets.length === 0) return undefined;
    do {
      const run = canSegment(descriptor) ? runLength(packets, this.#sent) : 1;
      const count = run > 1 ? this.#sendRun(run) : this.#sendBatch();
      if (descriptor.wouldBlock('write', count)) return WOULD_BLOCK;
      if (count < 0) throw this.#withCount(systemError(count, 'sendmmsg'));
      this.#sent += count;
      if (this.#sent === packets.length) return undefined;
    } while (spend());
    return WOULD_BLOCK;
  }

  #sendBatch(): number {
    const { reactor, fd } = this.descriptor;
    return reactor.native.sendmmsg(fd, this.#packets, this.#sent, null, 0);
  }

  /** One call for `count` packets of one size. The last may be shorter. */
  #sendRun(count: number): number {
    const { descriptor } = this;
    const { native } = descriptor.reactor;
    const { SOL_UDP = 0, UDP_SEGMENT = 0 } = native.constants;
    const run = this.#packets.slice(this.#sent, this.#sent + count);
    this.#control ??= new Uint8Array(native.controlSpace(2));
    native.encodeControl(
      this.#control,
      0,
      SOL_UDP,
      UDP_SEGMENT,
      Uint16Array.of((run[0] as Bytes).byteLength),
    );
    const status = native.sendmsg(
      descriptor.fd,
      run,
      0,
      null,
      0,
      this.#control,
      this.#control.length,
      0,
    );
    if (status >= 0) return count;
    // The route has no offload, or a smaller MTU than the packets. sendmmsg lets IP fragment them.
    if (status === EIO || status === EINVAL || status === EMSGSIZE) {
      segmentation.set(descriptor, false);
      return this.#sendBatch();
    }
    return status;
  }

  /** Adds to the error how many packets were sent. */
  #withCount<E extends Error>(error: E): E {
    return this.#sent === 0 ? error : Object.assign(error, { packetsSent: this.#sent });
  }

  override cancel(reason: CancelledError): void {
    // The scope's error is shared by many operations: the count is of this one alone.
    super.cancel(
      this.#sent === 0
        ? reason
        : this.#withCount(new CancelledError(reason.message, { cause: reason })),
    );
  }

  override abort(reason: Error): void {
    this.fail(this.#withCount(reason));
  }
}

/** Whether a socket has segmentation offload (Linux 4.18). The kernel is asked once. */
const segmentation = new WeakMap<Descriptor, boolean>();
const segmentSize = new Int32Array(1);

function canSegment(descriptor: Descriptor): boolean {
  let can = segmentation.get(descriptor);
  if (can === undefined) {
    const { native } = descriptor.reactor;
    const { SOL_UDP = 0, UDP_SEGMENT } = native.constants;
    can =
      UDP_SEGMENT !== undefined &&
      descriptor.type.isInet &&
      native.getsockoptInt(descriptor.fd, SOL_UDP, UDP_SEGMENT, segmentSize) === 0;
    segmentation.set(descriptor, can);
  }
  return can;
}

/**
 * How many packets, beginning with `first`, fit one segmented call. None is empty, and all have one
 * size; only the last may be shorter.
 */
function runLength(packets: readonly Bytes[], first: number): number {
  const size = (packets[first] as Bytes).byteLength;
  if (size === 0) return 1;
  let count = 1;
  let bytes = size;
  while (count < MAX_SEGMENTS && first + count < packets.length) {
    const { byteLength } = packets[first + count] as Bytes;
    if (byteLength === 0 || byteLength > size || bytes + byteLength > MAX_GSO_BYTES) break;
    count++;
    bytes += byteLength;
    if (byteLength < size) break;
  }
  return count;
}

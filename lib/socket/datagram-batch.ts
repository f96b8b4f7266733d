import { checkBytesList } from '../arguments/buffers';
import type { Bytes } from '../contract/bytes';
import { EAGAIN, EINVAL, EIO, EMSGSIZE } from '../errno';
import { CancelledError, type ClosedResourceError, type SystemError, systemError } from '../errors';
import { spend } from '../waiting/turn-budget';
import { receiveDatagram } from './datagram-io';
import type { Descriptor } from './descriptor';
import { IoOperation, WOULD_BLOCK, wouldBlock } from './io-operation';
import { copyPacket } from './receive-memory';

/**
 * Datagrams per recvmmsg(2): the cost of the call is well spread by then (published knee: 8;
 * measured here: little gain past 32).
 */
const BATCH = 32;
const SLOT_BYTES = 65536;
/**
 * Datagrams per step: while a peer floods, there is always one more, and other tasks are to have
 * their turn.
 */
const MAX_STEP = 256;

let slab: Uint8Array | undefined;
const sizes = new Int32Array(BATCH);

/**
 * Receives what is there, at most `max` datagrams (and 256), each in memory that nobody else
 * writes.
 */
export function receiveDatagrams(
  descriptor: Descriptor,
  max: number,
): Uint8Array[] | typeof WOULD_BLOCK {
  const packets: Uint8Array[] = [];
  const limit = Math.min(max, MAX_STEP);
  while (packets.length < limit) {
    const left = limit - packets.length;
    const more = descriptor.kind.isInet
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
  if (received === EAGAIN) {
    wouldBlock(descriptor, 'read');
    return false;
  }
  if (received < 0) {
    // The kernel tells an error once: what came before it is not lost for it.
    if (packets.length > 0) descriptor.readError = received;
    else throw systemError(received, 'recvmmsg');
    return false;
  }
  for (let i = 0; i < received; i++) {
    const size = sizes[i] as number;
    if (size >= 0) packets.push(copyPacket(slab, i * SLOT_BYTES, size));
    // It was cut: a datagram of another protocol than UDP, over IP. It is an error, behind those
    // that are whole.
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

/** udp(7): segments per call, and bytes per call, of UDP_SEGMENT. */
const MAX_SEGMENTS = 64;
const MAX_GSO_BYTES = 65000;

/**
 * Sends packets in order, to the socket's peer: runs of one size by segmentation offload, the
 * others by sendmmsg(2).
 */
export class SendMany extends IoOperation<void> {
  readonly syscall = 'sendmmsg';
  readonly #packets: readonly Bytes[];
  #sent = 0;
  #control: Uint8Array | null = null;

  /** @param packets not changed by anyone until it ends */
  constructor(descriptor: Descriptor, packets: readonly Bytes[], owner: object | null = null) {
    super(descriptor, 'write', owner);
    this.#packets = packets;
  }

  /**
   * Sends until all have gone, the kernel has no room, or the turn's budget is spent: the number of
   * packets has no bound.
   */
  attempt(): undefined | typeof WOULD_BLOCK {
    const { descriptor } = this;
    const packets = this.#packets;
    try {
      checkBytesList('packets', packets);
    } catch (error) {
      throw this.#told(error as Error);
    }
    if (packets.length === 0) return undefined;
    do {
      const run = canSegment(descriptor) ? runLength(packets, this.#sent) : 1;
      const count = run > 1 ? this.#sendRun(run) : this.#sendBatch();
      if (count === EAGAIN) return wouldBlock(descriptor, 'write');
      if (count < 0) throw this.#told(systemError(count, 'sendmmsg'));
      this.#sent += count;
      if (this.#sent === packets.length) return undefined;
    } while (spend());
    return WOULD_BLOCK;
  }

  #sendBatch(): number {
    const { reactor, fd } = this.descriptor;
    return reactor.native.sendmmsg(fd, this.#packets, this.#sent, null, 0);
  }

  /** One call for `count` packets of one size (the last may be shorter). */
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
    // A route without offload, or with a smaller MTU than the packets (which sendmmsg lets IP
    // fragment).
    if (status === EIO || status === EINVAL || status === EMSGSIZE) {
      segmentation.set(descriptor, false);
      return this.#sendBatch();
    }
    return status;
  }

  #told<E extends Error>(error: E): E {
    return this.#sent === 0 ? error : Object.assign(error, { packetsSent: this.#sent });
  }

  override cancel(reason: CancelledError): void {
    // The scope's own error is one for many operations: how many went is this one's.
    super.cancel(
      this.#sent === 0 ? reason : this.#told(new CancelledError(reason.message, { cause: reason })),
    );
  }

  override lose(reason: ClosedResourceError): void {
    this.fail(this.#told(reason));
  }
}

/** Whether a socket can segment: asked once, of the kernel (Linux 4.18). */
const segmentation = new WeakMap<Descriptor, boolean>();
const segmentSize = new Int32Array(1);

function canSegment(descriptor: Descriptor): boolean {
  let can = segmentation.get(descriptor);
  if (can === undefined) {
    const { native } = descriptor.reactor;
    const { SOL_UDP = 0, UDP_SEGMENT } = native.constants;
    can =
      UDP_SEGMENT !== undefined &&
      descriptor.kind.isInet &&
      native.getsockoptInt(descriptor.fd, SOL_UDP, UDP_SEGMENT, segmentSize) === 0;
    segmentation.set(descriptor, can);
  }
  return can;
}

/**
 * How many packets from `first` on fit one segmented call: all of one size but the last, which may
 * be shorter, and none empty.
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

import { lengthNow } from '../../arguments/buffers';
import { invalidArgument } from '../../arguments/validate';
import type { SocketAddress } from '../../contract/addresses';
import type { Bytes } from '../../contract/bytes';
import { EAGAIN, ENOBUFS } from '../../errno';
import { ClosedResourceError, systemError } from '../../errors';
import { errorTarget, type Sockaddr } from '../../socket/address';
import type { Descriptor } from '../../socket/descriptor';
import { IoOperation, WOULD_BLOCK } from '../../socket/io-operation';
import { outsideOfTasks } from '../../waiting/context';
import { Operation } from '../../waiting/operation';
import { defer, spend } from '../../waiting/turn-budget';
import type { WaitScope } from '../../waiting/wait-scope';

/**
 * Where the datagrams of a listener wait when the kernel returns EAGAIN. Any number of tasks may
 * send at once, and the reason of EAGAIN decides how many queues there are.
 *
 * **UDP: one queue.** EAGAIN means that the socket's own send buffer is full. That holds for every
 * destination alike, so all datagrams wait in one queue (SendBufferQueue). The kernel reports when
 * the buffer has room again, by EPOLLOUT. So the queue is one operation that occupies the write
 * direction of the descriptor, and each event sends as many datagrams as fit.
 *
 * **Unix: one queue per receiver.** EAGAIN usually means that the receive queue of one receiver is
 * full (unix(7); its length is net.unix.max_dgram_qlen). Other receivers may have room, and need
 * not wait for a slow one. So each receiver gets a queue (ReceiverQueue) while datagrams wait for
 * it. The kernel reports room in a receiver's queue only to sockets that are connected to it.
 * EPOLLOUT of an unconnected socket speaks of its own send buffer alone, and is set all the while.
 * So a ReceiverQueue sends again after 1 ms, and after twice as long each time, up to 16 ms. After
 * any success the interval is 1 ms again. A send buffer that is full, the rarer reason of EAGAIN on
 * a Unix socket, looks the same and is covered by the same retries. (BSD has ENOBUFS in its place.)
 *
 * **Order.** First come, first served, within a queue. A send that finds datagrams of its queue
 * waiting joins them, also if there is room by then. Between receivers there is no order.
 *
 * **Fairness.** Each datagram is charged to the turn budget. A queue that has spent the budget goes
 * on in the next turn.
 *
 * **Errors and cancellation.** A system error rejects the one send whose call returned it, and the
 * queue goes on with the next. A send that is cancelled leaves the queue, and sends nothing.
 *
 * **Closing.** A graceful close waits until all queues are empty. An abrupt one rejects what waits
 * with ClosedResourceError: the descriptor ends the operation of a SendBufferQueue, and
 * DatagramSender ends the receivers' queues, which the descriptor does not know.
 */

/** A datagram to be sent: all that one attempt needs. */
export interface Outgoing {
  readonly data: Bytes;
  readonly to: Sockaddr;
  readonly address: SocketAddress;
  readonly control: Uint8Array | null;
}

/**
 * Whether the code means that there is no room now. A full Unix receiver says nothing about the
 * socket, nor about other receivers, so readiness stays. BSD returns ENOBUFS for a Unix receiver.
 */
const isFull = (code: number, descriptor: Descriptor): boolean =>
  descriptor.type.isInet
    ? descriptor.wouldBlock('write', code)
    : code === EAGAIN || (code === ENOBUFS && process.platform !== 'linux');

/**
 * One sendto(2), or sendmsg(2) if there are control messages. @returns false if there is no room
 * for the datagram @throws the system's error
 */
export function attemptSend(
  descriptor: Descriptor,
  { data, to, address, control }: Outgoing,
): boolean {
  const { native } = descriptor.reactor;
  const { fd } = descriptor;
  const count =
    control === null
      ? native.sendto(fd, data, to.bytes, to.length)
      : native.sendmsg(fd, [data], 0, to.bytes, to.length, control, control.length, 0);
  if (count >= 0) return true;
  if (isFull(count, descriptor)) return false;
  throw systemError(count, control === null ? 'sendto' : 'sendmsg', errorTarget(address));
}

/** A send that waits in a queue. */
class QueuedSend extends Operation<void> {
  readonly packet: Outgoing;
  /** The length of the data when the send began. */
  readonly length: number;
  readonly #queue: SendQueue;

  constructor(queue: SendQueue, packet: Outgoing) {
    super();
    this.#queue = queue;
    this.packet = packet;
    this.length = packet.data.byteLength;
  }

  describe(): string {
    return `sendmsg on fd ${String(this.#queue.descriptor.fd)}`;
  }

  protected withdraw(): void {
    this.#queue.remove(this);
  }
}

/** Datagrams that wait for the same room, in order. A subclass says how the queue waits. */
export abstract class SendQueue {
  readonly descriptor: Descriptor;
  readonly #sends = new Set<QueuedSend>();

  constructor(descriptor: Descriptor) {
    this.descriptor = descriptor;
  }

  get size(): number {
    return this.#sends.size;
  }

  get isEmpty(): boolean {
    return this.#sends.size === 0;
  }

  /**
   * Puts a datagram at the end of the queue.
   * @param isFull whether the kernel has no room now. If false, only the turn's budget is spent.
   */
  push(packet: Outgoing, scope: WaitScope | undefined, isFull: boolean): Promise<void> {
    const send = new QueuedSend(this, packet).enter(scope);
    this.#sends.add(send);
    if (this.#sends.size === 1) this.wait(isFull);
    return send.promise;
  }

  /** Takes a cancelled send out of the queue. */
  remove(send: QueuedSend): void {
    this.#sends.delete(send);
    if (this.isEmpty) this.stopWaiting();
  }

  /** Rejects all sends, each with an error of its own. */
  rejectAll(makeError: () => Error): void {
    for (const send of [...this.#sends]) {
      this.#sends.delete(send);
      send.fail(makeError());
    }
  }

  /**
   * Begins to wait: for room if the kernel `isFull`, else for the next turn. Then `flush` is to be
   * called.
   */
  protected abstract wait(isFull: boolean): void;

  /** The last send was cancelled. */
  protected abstract stopWaiting(): void;

  /**
   * Sends the datagrams that there is room for, in order. @returns true if the queue is empty then;
   * false if there was not enough room; null if the turn's budget was spent first
   */
  protected flush(): boolean | null {
    const { descriptor } = this;
    for (const send of this.#sends) {
      if (!spend()) return null;
      let error: unknown;
      try {
        // A buffer that was detached while the send waited would be sent as an empty datagram.
        if (lengthNow(send.packet.data) !== send.length) {
          error = invalidArgument(
            'data',
            'of the same length until the promise settles',
            send.packet.data,
          );
        } else if (!attemptSend(descriptor, send.packet)) return false;
      } catch (thrown) {
        error = thrown;
      }
      this.#sends.delete(send);
      if (error === undefined) send.settle();
      else send.fail(error);
    }
    return true;
  }
}

/** Waits for room in the socket's own send buffer, by events. */
export class SendBufferQueue extends SendQueue {
  #operation: FlushOperation | null = null;

  protected wait(isFull: boolean): void {
    this.#operation = new FlushOperation(this.descriptor, this);
    this.#operation.park(!isFull);
  }

  protected stopWaiting(): void {
    const operation = this.#operation;
    this.#operation = null;
    operation?.withdraw();
  }

  /** The attempt of the queue's operation. */
  attempt(): undefined | typeof WOULD_BLOCK {
    const flushed = this.flush();
    if (flushed !== true) return WOULD_BLOCK;
    this.#operation = null;
    return undefined;
  }

  /** The queue's operation has failed: the socket was closed, or cannot be registered. */
  fail(reason: unknown): void {
    this.#operation = null;
    this.rejectAll(() => reason as Error);
  }
}

/** Occupies the write direction of the descriptor for a whole queue. Its promise is not used. */
class FlushOperation extends IoOperation<void> {
  readonly syscall = 'sendmsg';
  readonly #queue: SendBufferQueue;

  constructor(descriptor: Descriptor, queue: SendBufferQueue) {
    super(descriptor, 'write');
    this.#queue = queue;
  }

  protected attempt(): undefined | typeof WOULD_BLOCK {
    return this.#queue.attempt();
  }

  override fail(reason: unknown): void {
    this.#queue.fail(reason);
  }
}

const FIRST_RETRY_MS = 1;
const LONGEST_RETRY_MS = 16;

/** Waits for room in the receive queue of one Unix receiver, by retries. */
export class ReceiverQueue extends SendQueue {
  readonly #onEmpty: () => void;
  #delay = FIRST_RETRY_MS;
  #timer: NodeJS.Timeout | undefined;

  /** @param onEmpty called when no datagram waits any more, but not after `rejectAll` */
  constructor(descriptor: Descriptor, onEmpty: () => void) {
    super(descriptor);
    this.#onEmpty = onEmpty;
  }

  protected wait(isFull: boolean): void {
    if (!isFull) {
      defer(this);
      return;
    }
    const delay = this.#delay;
    this.#timer = outsideOfTasks(() =>
      setTimeout(() => {
        this.resume();
      }, delay),
    );
    this.#delay = Math.min(this.#delay * 2, LONGEST_RETRY_MS);
  }

  protected stopWaiting(): void {
    clearTimeout(this.#timer);
    this.#onEmpty();
  }

  override rejectAll(makeError: () => Error): void {
    clearTimeout(this.#timer);
    super.rejectAll(makeError);
  }

  /** The timer or the next turn has come. */
  resume(): void {
    // All sends may have been cancelled while the queue was deferred.
    if (this.isEmpty) return;
    const before = this.size;
    const flushed = this.flush();
    if (flushed === true) {
      this.#onEmpty();
      return;
    }
    if (this.size < before) this.#delay = FIRST_RETRY_MS;
    this.wait(flushed === false);
  }
}

/** The error of the sends that wait when the listener is closed. */
export const closedWhileSending = (): Error =>
  new ClosedResourceError('The listener was closed while a datagram was waiting to be sent');

import { lengthNow } from '../../arguments/buffers';
import { invalidArgument } from '../../arguments/validate';
import type { SocketAddress } from '../../contract/addresses';
import type { Bytes } from '../../contract/bytes';
import { EAGAIN, ENOBUFS } from '../../errno';
import { ClosedResourceError, systemError } from '../../errors';
import { errorTarget, type Sockaddr } from '../../socket/address';
import type { Descriptor } from '../../socket/descriptor';
import { IoOperation, WOULD_BLOCK, wouldBlock } from '../../socket/io-operation';
import { outsideOfTasks } from '../../waiting/context';
import { Operation, type WaitScope } from '../../waiting/operation';
import { defer, spend } from '../../waiting/turn-budget';

/** A datagram on its way: everything that one attempt needs. */
export interface Outgoing {
  readonly data: Bytes;
  readonly to: Sockaddr;
  readonly address: SocketAddress;
  readonly control: Uint8Array | null;
}

/** Of a Unix receiver whose queue is full, BSD says ENOBUFS. */
const isFull = (code: number, descriptor: Descriptor): boolean =>
  code === EAGAIN || (code === ENOBUFS && !descriptor.kind.isInet && process.platform !== 'linux');

/**
 * One sendto(2), or sendmsg(2) if there are control messages. @returns false if there is no room
 * for it @throws the system's error
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

/** A datagram that waits in a queue. Cancelled, it has never been. */
class QueuedSend extends Operation<void> {
  readonly packet: Outgoing;
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
    this.#queue.take(this);
  }
}

/** Datagrams that wait for room in one place: first come, first served. */
export abstract class SendQueue {
  readonly descriptor: Descriptor;
  readonly #waiting = new Set<QueuedSend>();

  constructor(descriptor: Descriptor) {
    this.descriptor = descriptor;
  }

  get size(): number {
    return this.#waiting.size;
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /**
   * Puts one at the end of the queue.
   * @param isFull whether there is no room now; else this turn of the event loop has had enough
   *   sends, and the next goes on
   */
  push(packet: Outgoing, scope: WaitScope | undefined, isFull: boolean): Promise<void> {
    const send = new QueuedSend(this, packet).enter(scope);
    this.#waiting.add(send);
    if (this.#waiting.size === 1) this.await(isFull);
    return send.promise;
  }

  /** Takes one out that has ended, or was cancelled. */
  take(send: QueuedSend): void {
    this.#waiting.delete(send);
    if (this.isEmpty) this.emptied();
  }

  /** Ends all with an error each: the listener is closed, or can wait no more. */
  abandon(makeError: () => Error): void {
    for (const send of [...this.#waiting]) {
      this.#waiting.delete(send);
      send.fail(makeError());
    }
  }

  /**
   * Begins to wait, for room or (unless `isFull`) only for the next turn: `flush` is to be called
   * then.
   */
  protected abstract await(isFull: boolean): void;
  /** Nothing waits any more. */
  protected abstract emptied(): void;

  /**
   * Sends what there is room for, in order. @returns false if there was not enough; null if the
   * turn's budget was spent first
   */
  protected flush(): boolean | null {
    const { descriptor } = this;
    for (const send of this.#waiting) {
      if (!spend()) return null;
      let error: unknown;
      try {
        // A buffer that went away while it waited would go as an empty datagram.
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
      this.#waiting.delete(send);
      if (error === undefined) send.settle();
      else send.fail(error);
    }
    return true;
  }
}

/** Waits for the socket's own send buffer, of which the kernel tells. */
export class BufferQueue extends SendQueue {
  #wait: BufferWait | null = null;

  protected await(isFull: boolean): void {
    this.#wait = new BufferWait(this.descriptor, this);
    this.#wait.park(!isFull);
  }

  protected emptied(): void {
    const wait = this.#wait;
    this.#wait = null;
    wait?.withdraw();
  }

  /** There is room, or it is its turn again. */
  proceed(): undefined | typeof WOULD_BLOCK {
    const flushed = this.flush();
    if (flushed === false) return wouldBlock(this.descriptor, 'write');
    if (flushed === null) return WOULD_BLOCK;
    this.#wait = null;
    return undefined;
  }

  /** There will be none: the socket is closed, or cannot be watched. */
  lost(reason: unknown): void {
    this.#wait = null;
    this.abandon(() => reason as Error);
  }
}

/**
 * Holds the write side of the descriptor for all that wait in a queue. Nobody awaits this one
 * itself.
 */
class BufferWait extends IoOperation<void> {
  readonly syscall = 'sendmsg';
  readonly #queue: BufferQueue;

  constructor(descriptor: Descriptor, queue: BufferQueue) {
    super(descriptor, 'write');
    this.#queue = queue;
  }

  protected attempt(): undefined | typeof WOULD_BLOCK {
    return this.#queue.proceed();
  }

  override fail(reason: unknown): void {
    this.#queue.lost(reason);
  }
}

const FIRST_RETRY_MS = 1;
const LONGEST_RETRY_MS = 16;

/**
 * Waits for one Unix receiver, whose queue is full: of that the kernel tells a connected socket
 * alone (unix(7) knows no event for others), so this asks again, at growing intervals.
 */
export class ReceiverQueue extends SendQueue {
  readonly #onEmpty: () => void;
  #delay = FIRST_RETRY_MS;
  #timer: NodeJS.Timeout | undefined;

  /** @param onEmpty runs when nothing waits any more, unless it was abandoned */
  constructor(descriptor: Descriptor, onEmpty: () => void) {
    super(descriptor);
    this.#onEmpty = onEmpty;
  }

  protected await(isFull: boolean): void {
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

  protected emptied(): void {
    clearTimeout(this.#timer);
    this.#onEmpty();
  }

  override abandon(makeError: () => Error): void {
    clearTimeout(this.#timer);
    super.abandon(makeError);
  }

  /** Its time, or its turn, has come. */
  resume(): void {
    // All may have been cancelled while it was deferred.
    if (this.isEmpty) return;
    const before = this.size;
    const flushed = this.flush();
    if (flushed === true) {
      this.#onEmpty();
      return;
    }
    if (this.size < before) this.#delay = FIRST_RETRY_MS;
    this.await(flushed === false);
  }
}

/** What whoever waits in a queue gets when the listener is closed. */
export const closedWhileSending = (): Error =>
  new ClosedResourceError('The listener was closed while a datagram was waiting to be sent');

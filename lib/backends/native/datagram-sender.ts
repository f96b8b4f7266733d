import { EDESTADDRREQ } from '../../errno';
import { systemError } from '../../errors';
import { errorTarget } from '../../socket/address';
import type { Descriptor } from '../../socket/descriptor';
import { currentScope } from '../../waiting/context';
import { cancelled, isCancelled } from '../../waiting/operation';
import { spend } from '../../waiting/turn-budget';
import {
  attemptSend,
  BufferQueue,
  closedWhileSending,
  type Outgoing,
  ReceiverQueue,
  type SendQueue,
} from './send-queue';

const DONE: Promise<void> = Promise.resolve();

/**
 * The sends of a datagram listener, from any number of tasks at once, first come first served.
 *
 * A UDP socket that would block has a full send buffer. A Unix one usually has a receiver whose
 * queue is full, and then the other receivers need not wait: there is a queue for each.
 */
export class DatagramSender {
  readonly #descriptor: Descriptor;
  readonly #buffer: BufferQueue;
  /** By their addresses: only those for whom something waits. */
  readonly #receivers = new Map<string, ReceiverQueue>();

  constructor(descriptor: Descriptor) {
    this.#descriptor = descriptor;
    this.#buffer = new BufferQueue(descriptor);
  }

  /** Whether there are sends that wait. */
  get isSending(): boolean {
    return !this.#buffer.isEmpty || this.#receivers.size > 0;
  }

  /** A checkpoint: sends one datagram. @param method what the caller called, for error messages */
  send(method: string, packet: Outgoing): Promise<void> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    const descriptor = this.#descriptor;
    const queue = this.#queueOf(packet);
    const isFirst = queue === undefined || queue.isEmpty;
    // While something waits in a queue of ours, the write side is its, and whoever comes later
    // waits behind it.
    const refusal =
      isFirst || descriptor.closing || descriptor.fd < 0
        ? descriptor.refusal('write', method)
        : null;
    if (refusal !== null) return Promise.reject(refusal);
    let isFull = false;
    try {
      checkDestination(descriptor, packet);
      if (isFirst && descriptor.mayWrite && spend()) {
        if (attemptSend(descriptor, packet)) return DONE;
        isFull = true;
        // A Unix receiver that is full says nothing of the others.
        if (descriptor.kind.isInet) descriptor.mayWrite = false;
      }
    } catch (error) {
      return Promise.reject(error);
    }
    return (queue ?? this.#newQueue(packet)).push(packet, scope, isFull || !descriptor.mayWrite);
  }

  /** The listener is closed: whoever waits for a receiver is told. */
  close(): void {
    const receivers = [...this.#receivers.values()];
    this.#receivers.clear();
    for (const queue of receivers) queue.abandon(closedWhileSending);
  }

  /** The queue that a datagram belongs in; undefined if none is needed yet. */
  #queueOf(packet: Outgoing): SendQueue | undefined {
    if (this.#descriptor.kind.isInet) return this.#buffer;
    return this.#receivers.size === 0 ? undefined : this.#receivers.get(receiverKey(packet));
  }

  #newQueue(packet: Outgoing): ReceiverQueue {
    const key = receiverKey(packet);
    const queue = new ReceiverQueue(this.#descriptor, () => {
      this.#receivers.delete(key);
      this.#descriptor.onWriteEnd?.();
    });
    this.#receivers.set(key, queue);
    return queue;
  }
}

function receiverKey({ to }: Outgoing): string {
  return Buffer.from(to.bytes.buffer, to.bytes.byteOffset, to.length).toString('latin1');
}

/** The kernel calls an address without a name an invalid argument. @throws EDESTADDRREQ */
function checkDestination(descriptor: Descriptor, { to, address }: Outgoing): void {
  const { native } = descriptor.reactor;
  if (!descriptor.kind.isInet && to.length <= native.limits.unixPathOffset)
    throw systemError(EDESTADDRREQ, 'sendto', errorTarget(address));
}

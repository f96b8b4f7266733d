import { EDESTADDRREQ } from '../../errno';
import { systemError } from '../../errors';
import { errorTarget } from '../../socket/address';
import type { Descriptor } from '../../socket/descriptor';
import { currentScope } from '../../waiting/context';
import { cancelled, isCancelled, rejected } from '../../waiting/operation';
import { spend } from '../../waiting/turn-budget';
import {
  attemptSend,
  closedWhileSending,
  type Outgoing,
  ReceiverQueue,
  SendBufferQueue,
  type SendQueue,
} from './send-queue';

const DONE: Promise<void> = Promise.resolve();

/**
 * The sends of a datagram listener, from any number of tasks at once. A send is tried at once; if
 * the kernel has no room for it, it waits in a queue (see send-queue.ts).
 */
export class DatagramSender {
  readonly #descriptor: Descriptor;
  readonly #sendBuffer: SendBufferQueue;
  /** The Unix receivers that datagrams wait for, by their addresses. */
  readonly #receivers = new Map<string, ReceiverQueue>();

  constructor(descriptor: Descriptor) {
    this.#descriptor = descriptor;
    this.#sendBuffer = new SendBufferQueue(descriptor);
  }

  /** Whether sends are waiting. */
  get isSending(): boolean {
    return !this.#sendBuffer.isEmpty || this.#receivers.size > 0;
  }

  /** A checkpoint: sends one datagram. @param method the user's call, for error messages */
  send(method: string, packet: Outgoing): Promise<void> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    const descriptor = this.#descriptor;
    const queue = this.#queueOf(packet);
    const isFirst = queue === undefined || queue.isEmpty;
    // A waiting queue occupies the write direction itself: that makes no later send an error. It
    // joins the queue.
    const usageError =
      isFirst || descriptor.closing || descriptor.fd < 0
        ? descriptor.usageError('write', method)
        : null;
    if (usageError !== null) return rejected(usageError);
    let isFull = false;
    try {
      checkDestination(descriptor, packet);
      if (isFirst && descriptor.isReady('write') && spend()) {
        if (attemptSend(descriptor, packet)) return DONE;
        isFull = true;
      }
    } catch (error) {
      return rejected(error);
    }
    isFull ||= !descriptor.isReady('write');
    return (queue ?? this.#newQueue(packet)).push(packet, scope, isFull);
  }

  /** The listener is closed: the sends that wait for a receiver reject. */
  close(): void {
    const receivers = [...this.#receivers.values()];
    this.#receivers.clear();
    for (const queue of receivers) queue.rejectAll(closedWhileSending);
  }

  /** The queue that a datagram would wait in; undefined if it is not made yet. */
  #queueOf(packet: Outgoing): SendQueue | undefined {
    if (this.#descriptor.type.isInet) return this.#sendBuffer;
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

/** The kernel calls an address without a name an invalid argument. @throws EDESTADDRREQ instead */
function checkDestination(descriptor: Descriptor, { to, address }: Outgoing): void {
  const { native } = descriptor.reactor;
  if (!descriptor.type.isInet && to.length <= native.limits.unixPathOffset)
    throw systemError(EDESTADDRREQ, 'sendto', errorTarget(address));
}

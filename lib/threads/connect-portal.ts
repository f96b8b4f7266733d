import type {
  PortalCall,
  PortalConnection,
  PortalFunctions,
  PortalHandle,
} from '../contract/threads';
import { type MessagePort, receiveMessageOnPort, threadId } from 'node:worker_threads';
import { CancelledError, InvalidStateError } from '../errors';
import { invalidArgument } from '../arguments/validate';
import { decodeThrown } from './error-codec';
import {
  CLOSED,
  OPEN,
  type PortalReply,
  type PortalRequest,
  REPLIES,
  STATE,
  type OwnPortalHandle,
} from './portal-protocol';

/** How long a blocked thread sleeps until it looks whether the portal's thread is still there. */
const LOOK_AFTER_MS = 1000;

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Connects a thread to a portal of another thread, by the handle that was transferred here. Once
 * per handle.
 * @throws InvalidStateError in the portal's own thread, which would wait for itself; TypeError for
 *   what is no handle
 */
export function connectThreadsPortal<F extends PortalFunctions>(
  handle: PortalHandle,
): PortalConnection<F> {
  if (!isOwnHandle(handle)) {
    throw invalidArgument(
      'handle',
      'what handle() of a ThreadsPortal returned, transferred to this thread',
      handle,
    );
  }
  if (handle.threadId === threadId) {
    throw new InvalidStateError('This function must be called in a different thread than the portal\'s: hand the handle to a worker'); // prettier-ignore
  }
  const line = new Line(handle);
  return {
    runCoroutine: (name, ...args) => line.block(name, 'coroutine', args) as never,
    runCoroutineSoon: (name, ...args) => line.call(name, 'coroutine', args) as never,
    runSync: (name, ...args) => line.block(name, 'sync', args) as never,
    runSyncSoon: (name, ...args) => line.call(name, 'sync', args) as never,
  };
}

function isOwnHandle(handle: PortalHandle): handle is OwnPortalHandle {
  const { threadId: portalThread, signals } = (handle as Partial<OwnPortalHandle> | null) ?? {};
  return typeof portalThread === 'number' && signals instanceof SharedArrayBuffer;
}

class Line {
  readonly #port: MessagePort;
  readonly #signals: Int32Array;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;

  constructor({ port, signals }: OwnPortalHandle) {
    this.#port = port;
    this.#signals = new Int32Array(signals);
    port.on('message', (reply: PortalReply) => {
      this.#settle(reply);
    });
    // The portal has gone, and took its answers along.
    port.on('close', () => {
      for (const { reject } of this.#pending.values()) reject(notRunning());
      this.#pending.clear();
    });
    port.unref();
  }

  block(name: string, mode: 'sync' | 'coroutine', args: readonly unknown[]): unknown {
    const outcome: { settle?: () => unknown } = {};
    this.#send(name, mode, args, {
      resolve: (value) => {
        outcome.settle = () => value;
      },
      reject: (error) => {
        outcome.settle = () => {
          throw error;
        };
      },
    });
    while (outcome.settle === undefined) {
      const seen = Atomics.load(this.#signals, REPLIES);
      const isClosed = Atomics.load(this.#signals, STATE) === CLOSED;
      // Replies to other calls of this thread come on the same line: their promises are settled on
      // the way.
      this.#drain();
      if (isClosed) {
        // What was answered in the last moment had been posted before.
        for (const unanswered of this.#pending.values()) unanswered.reject(notRunning());
        this.#pending.clear();
      } else if ((outcome.settle as unknown) === undefined) {
        const woken = Atomics.wait(this.#signals, REPLIES, seen, LOOK_AFTER_MS);
        // A thread that was terminated had no time to say so.
        if (woken === 'timed-out') this.#post({ type: 'ping' });
      }
    }
    return outcome.settle();
  }

  call(name: string, mode: 'sync' | 'coroutine', args: readonly unknown[]): PortalCall<unknown> {
    let id = 0;
    const promise = new Promise((resolve, reject) => {
      try {
        id = this.#send(name, mode, args, { resolve, reject });
        this.#updateRef();
      } catch (error) {
        reject(error);
      }
    });
    const cancel = (): void => {
      const pending = this.#pending.get(id);
      if (pending === undefined) return;
      this.#pending.delete(id);
      this.#updateRef();
      this.#post({ type: 'cancel', id });
      pending.reject(new CancelledError('The portal call was cancelled'));
    };
    return Object.assign(promise, { cancel });
  }

  #send(
    name: string,
    mode: 'sync' | 'coroutine',
    args: readonly unknown[],
    pending: Pending,
  ): number {
    if (Atomics.load(this.#signals, STATE) !== OPEN) throw notRunning();
    const id = this.#nextId++;
    if (!this.#post({ type: 'call', id, name, mode, args })) throw notRunning();
    this.#pending.set(id, pending);
    return id;
  }

  /** @returns false if nobody is there any more: the portal counts as closed then */
  #post(request: PortalRequest): boolean {
    // Node tells, though its declarations do not; elsewhere nothing is known.
    const isThere =
      (this.#port as { postMessage(message: PortalRequest): unknown }).postMessage(request) !==
      false;
    if (!isThere) Atomics.store(this.#signals, STATE, CLOSED);
    return isThere;
  }

  /** Takes what has arrived. */
  #drain(): void {
    for (
      let next = receiveMessageOnPort(this.#port);
      next !== undefined;
      next = receiveMessageOnPort(this.#port)
    ) {
      this.#settle(next.message as PortalReply);
    }
  }

  #settle(reply: PortalReply): void {
    const pending = this.#pending.get(reply.id);
    // A call that was cancelled here: its result is dropped.
    if (pending === undefined) return;
    this.#pending.delete(reply.id);
    this.#updateRef();
    switch (reply.status) {
      case 'returned':
        pending.resolve(reply.value);
        break;
      case 'thrown':
        pending.reject(decodeThrown(reply.thrown));
        break;
      case 'cancelled':
        pending.reject(new CancelledError('The portal call was cancelled'));
        break;
      case 'closed':
        pending.reject(notRunning());
        break;
    }
  }

  /** A thread with calls under way stays alive for their results. */
  #updateRef(): void {
    if (this.#pending.size > 0) this.#port.ref();
    else this.#port.unref();
  }
}

function notRunning(): InvalidStateError {
  return new InvalidStateError(
    'ThreadsPortal not running: it is not open yet, or it has closed, or its thread has ended',
  );
}

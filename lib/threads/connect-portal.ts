import { types } from 'node:util';
import { MessageChannel, MessagePort, threadId } from 'node:worker_threads';
import type {
  PortalCall,
  PortalConnection,
  PortalFunctions,
  PortalHandle,
} from '../contract/threads';
import { CancelledError, InvalidStateError } from '../errors';
import { invalidArgument } from '../arguments/validate';
import { rejected } from '../waiting/operation';
import { decodeThrown, type Encoded } from './error-codec';
import {
  CLOSED,
  isReply,
  OPEN,
  type OwnPortalHandle,
  type PortalRequest,
  PROTOCOL,
  REPLIES,
  STATE,
  takeMessages,
  warnOfStray,
} from './portal-protocol';

/** A blocked thread checks after so many milliseconds whether the portal's thread still exists. */
const CHECK_AFTER_MS = 1000;

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Connects this thread to a portal of another thread. `handle` is what `handle()` of the portal
 * returned, transferred to this thread; each handle connects once.
 *
 * @throws InvalidStateError in the portal's own thread, which would wait for itself, and for a
 *   handle that is connected already; TypeError if `handle` is not such a handle
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
    throw new InvalidStateError(
      "This function must be called in a different thread than the portal's: transfer the handle to a worker",
    );
  }
  if (connected.has(handle.port))
    throw new InvalidStateError('The handle is connected already: each handle connects once');
  connected.add(handle.port);
  const caller = new PortalCaller(handle);
  return {
    runCoroutine: (name, ...args) => caller.block(name, 'coroutine', args) as never,
    runCoroutineSoon: (name, ...args) => caller.call(name, 'coroutine', args) as never,
    runSync: (name, ...args) => caller.block(name, 'sync', args) as never,
    runSyncSoon: (name, ...args) => caller.call(name, 'sync', args) as never,
  };
}

const connected = new WeakSet<MessagePort>();

function isOwnHandle(handle: PortalHandle): handle is OwnPortalHandle {
  const { port, protocol, signals, threadId } =
    (handle as Partial<OwnPortalHandle> | null | undefined) ?? {};
  if (typeof threadId !== 'number' || !types.isSharedArrayBuffer(signals)) return false;
  if ((protocol as unknown) !== PROTOCOL) {
    throw new InvalidStateError(
      'The handle is from another version of sockscope: both threads must load the same version',
    );
  }
  return port instanceof MessagePort;
}

/** The calls of one thread into one portal. */
class PortalCaller {
  readonly #port: MessagePort;
  readonly #signals: Int32Array;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #hasWarned = false;

  constructor({ port, signals }: OwnPortalHandle) {
    this.#port = port;
    this.#signals = new Int32Array(signals);
    port.on('message', (message: unknown) => {
      this.#settle(message);
    });
    port.on('messageerror', () => {
      this.#askForLost();
    });
    // No reply comes any more: the portal has closed, or its thread has ended.
    port.on('close', () => {
      Atomics.store(this.#signals, STATE, CLOSED);
      this.#rejectPending();
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
      // Replies to other calls of this thread arrive at the same port. Their promises settle here.
      this.#drain();
      // The portal posts its last replies before it sets CLOSED: this drain has seen them.
      if (isClosed) this.#rejectPending();
      else if ((outcome.settle as unknown) === undefined) {
        const woken = Atomics.wait(this.#signals, REPLIES, seen, CHECK_AFTER_MS);
        // A thread that was terminated could not set CLOSED.
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
        resolve(rejected(error));
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

  /** @returns false if the portal's port is closed: the portal then counts as closed, too */
  #post(request: PortalRequest): boolean {
    const delivered = postMessage(this.#port, request);
    if (delivered === true || !postMessageReportsPeer()) return true;
    Atomics.store(this.#signals, STATE, CLOSED);
    return false;
  }

  #rejectPending(): void {
    for (const { reject } of this.#pending.values()) reject(notRunning());
    this.#pending.clear();
    this.#updateRef();
  }

  /** Settles the calls whose replies have arrived. */
  #drain(): void {
    takeMessages(
      this.#port,
      (message) => {
        this.#settle(message);
      },
      () => {
        this.#askForLost();
      },
    );
  }

  /** A reply could not be read: the portal says which of the pending calls it has answered. */
  #askForLost(): void {
    this.#post({ type: 'unread', ids: [...this.#pending.keys()] });
  }

  #settle(reply: unknown): void {
    if (!isReply(reply)) {
      if (!this.#hasWarned) warnOfStray();
      this.#hasWarned = true;
      return;
    }
    if (reply.status === 'unread') {
      this.#askForLost();
      return;
    }
    const pending = this.#pending.get(reply.id);
    // The call was cancelled in this thread: the result is dropped.
    if (pending === undefined) return;
    this.#pending.delete(reply.id);
    this.#updateRef();
    switch (reply.status) {
      case 'returned':
        pending.resolve(reply.value);
        break;
      case 'thrown':
        pending.reject(decode(reply.thrown));
        break;
      case 'cancelled':
        pending.reject(new CancelledError('The portal call was cancelled'));
        break;
      case 'closed':
        pending.reject(notRunning());
        break;
      case 'lost':
        pending.reject(
          new DOMException(
            'The arguments or the result of the portal call cannot be cloned in the other thread',
            'DataCloneError',
          ),
        );
        break;
    }
  }

  /** A pending call keeps its thread alive. */
  #updateRef(): void {
    if (this.#pending.size > 0) this.#port.ref();
    else this.#port.unref();
  }
}

/** A reply that this library did not post may hold anything. */
function decode(thrown: Encoded): unknown {
  try {
    return decodeThrown(thrown);
  } catch (error) {
    return error;
  }
}

function notRunning(): InvalidStateError {
  return new InvalidStateError(
    'ThreadsPortal not running: it is not open yet, or it has closed, or its thread has ended',
  );
}

/**
 * What `postMessage` of Node.js returns, against its declaration: true if the other port is open,
 * false if it is closed, and undefined if *this* port is closing. `receiveMessageOnPort` makes it
 * close when it meets the close message of the other port, and an unfinished close emits no event
 * in a blocked thread. Hence only true means that the portal is there.
 */
function postMessage(port: MessagePort, message: unknown): unknown {
  return (port as { postMessage(value: unknown): unknown }).postMessage(message);
}

let reportsPeer: boolean | undefined;

/** False in a runtime that always returns undefined: there, only `CLOSED` and 'close' tell. */
function postMessageReportsPeer(): boolean {
  if (reportsPeer === undefined) {
    const { port1, port2 } = new MessageChannel();
    reportsPeer = postMessage(port1, null) === true;
    port2.close();
  }
  return reportsPeer;
}

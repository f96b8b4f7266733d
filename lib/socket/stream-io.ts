import { lengthNow } from '../arguments/buffers';
import type { Bytes } from '../contract/bytes';
import { CONNECTION_LOST, ENOBUFS, ENOMEM } from '../errno';
import { CancelledError, type SystemError, systemError } from '../errors';
import { currentScope } from '../waiting/context';
import { cancelled, isCancelled, rejected, resolved } from '../waiting/operation';
import { spend } from '../waiting/turn-budget';
import type { WaitScope } from '../waiting/wait-scope';
import type { Descriptor } from './descriptor';
import { type IoCall, IoOperation, WOULD_BLOCK } from './io-operation';
import { copyPacket, scratch } from './receive-memory';
import { sendBuffers } from './scatter-gather';

/**
 * Receives and sends on a stream: the hot path. A call that completes at once costs one system call
 * and one promise.
 */

/**
 * One recv(2) into `buffer`, which is not empty. A short receive has drained the kernel's buffer on
 * TCP. On a Unix socket a receive also stops where control messages begin, so there only EAGAIN is
 * proof.
 */
function receiveOnce(descriptor: Descriptor, buffer: Bytes): number | typeof WOULD_BLOCK {
  const size = lengthNow(buffer);
  if (size === 0) throw bufferChanged();
  const count = descriptor.reactor.native.recv(descriptor.fd, buffer, 0);
  if (count > 0) {
    descriptor.received(count, size);
    return count;
  }
  if (count === 0) return endOfStream(descriptor, 'recv');
  return receiveFailed(descriptor, count, 'recv');
}

/**
 * A receive found the end of the stream. It is the end if the peer has ended the stream. But after
 * a reset that a send has met, the kernel returns the same: it has reported the error to the send,
 * and the receive rejects with it, too. @returns 0
 */
export function endOfStream(descriptor: Descriptor, syscall: string): 0 {
  const { inputEnd } = descriptor;
  if (inputEnd >= 0) {
    descriptor.inputEnd = 1;
    return 0;
  }
  descriptor.readError = inputEnd;
  throw systemError(inputEnd, syscall);
}

/**
 * The error of a stream send. If it means that the connection is lost, receives will reject with it
 * once they have returned what arrived before. EPIPE does not mean it: this side, or the peer, has
 * ended the stream that the send belongs to, and the other stream has an end of its own. An end
 * that a receive has returned stays.
 */
export function sendFailed(descriptor: Descriptor, code: number, syscall: string): SystemError {
  if (descriptor.inputEnd === 0 && CONNECTION_LOST.has(code)) descriptor.inputEnd = code;
  return systemError(code, syscall);
}

/**
 * The meaning of a negative code of a stream receive: nothing has arrived yet, or the connection
 * has ended, and then every later receive rejects with the same error.
 */
export function receiveFailed(
  descriptor: Descriptor,
  code: number,
  syscall: string,
): typeof WOULD_BLOCK {
  if (descriptor.wouldBlock('read', code)) return WOULD_BLOCK;
  // When the kernel is short of memory, the connection itself is intact.
  if (code !== ENOMEM && code !== ENOBUFS) descriptor.readError = code;
  throw systemError(code, syscall);
}

function bufferChanged(): TypeError {
  const error = new TypeError('The buffer was detached or resized while the operation was waiting');
  return Object.assign(error, { code: 'ERR_INVALID_ARG_TYPE' });
}

/** One recv(2) into the given buffer, which is not empty when the call begins. */
export const RECV_INTO: IoCall<Bytes, number> = {
  direction: 'read',
  name: 'recvInto',
  syscall: 'recv',
  attempt: receiveOnce,
};

/** One recv(2) of up to so many bytes, in memory that nothing overwrites later. */
export const RECV: IoCall<number, Uint8Array> = {
  direction: 'read',
  name: 'recv',
  syscall: 'recv',
  attempt: (descriptor, size) => {
    const memory = scratch(size);
    const count = receiveOnce(descriptor, memory);
    return count === WOULD_BLOCK ? WOULD_BLOCK : copyPacket(memory, 0, count);
  },
};

/**
 * Sends buffers whole, in as many calls as it takes. Most sends end with their first call and never
 * make this object; `sent` is the count of a first call that took a part.
 */
class Send extends IoOperation<void> {
  readonly syscall = 'send';
  readonly #buffers: readonly Bytes[];
  /** The buffers' lengths when the send began. */
  readonly #sizes: readonly number[];
  /** The first buffer with bytes left, and how many of its bytes the kernel has taken. */
  #index = 0;
  #offset = 0;
  #sent = 0;

  constructor(
    descriptor: Descriptor,
    buffers: readonly Bytes[],
    sizes: readonly number[],
    sent: number,
    owner: object | null,
  ) {
    super(descriptor, 'write', owner);
    this.#buffers = buffers;
    this.#sizes = sizes;
    this.#advance(sent);
  }

  attempt(): undefined | typeof WOULD_BLOCK {
    const { descriptor } = this;
    do {
      const { iovMax } = descriptor.reactor.native.limits;
      const end = Math.min(this.#index + iovMax, this.#buffers.length);
      this.#checkSizes(end);
      const count = this.#call(end);
      if (descriptor.wouldBlock('write', count)) return WOULD_BLOCK;
      if (count < 0) throw this.#endEarly(sendFailed(descriptor, count, 'send'));
      this.#advance(count);
      if (this.#index === this.#buffers.length) return undefined;
    } while (spend());
    return WOULD_BLOCK;
  }

  /** One send(2) or sendmsg(2) of the rest of the buffers before `end`: IOV_MAX of them at most. */
  #call(end: number): number {
    const { fd, reactor } = this.descriptor;
    const buffers = this.#buffers;
    if (end - this.#index === 1)
      return reactor.native.send(fd, buffers[this.#index] as Bytes, this.#offset, 0);
    const window = end - this.#index === buffers.length ? buffers : buffers.slice(this.#index, end);
    return sendBuffers(reactor.native, fd, window, this.#offset, 0);
  }

  /**
   * @throws TypeError if one of the buffers before `end` has another length than when the send
   *   began: its bytes would be missing from the stream
   */
  #checkSizes(end: number): void {
    for (let i = this.#index; i < end; i++) {
      const size = this.#sizes[i] as number;
      if (size > 0 && lengthNow(this.#buffers[i] as Bytes) !== size)
        throw this.#endEarly(bufferChanged());
    }
  }

  #advance(count: number): void {
    this.#sent += count;
    if (count > 0) this.descriptor.hasSent = true;
    let left = this.#offset + count;
    const sizes = this.#sizes;
    while (this.#index < sizes.length && left >= (sizes[this.#index] as number))
      left -= sizes[this.#index++] as number;
    this.#offset = left;
  }

  /**
   * Adds to the error that ends the send how many bytes were sent. After half a message no other
   * can follow, so the stream is broken.
   */
  #endEarly<E extends Error>(error: E): E {
    if (this.#sent === 0) return error;
    this.descriptor.broken = true;
    return Object.assign(error, { bytesSent: this.#sent });
  }

  override cancel(reason: CancelledError): void {
    // The scope's error is shared by many operations: the count is of this one alone.
    super.cancel(
      this.#sent === 0
        ? reason
        : this.#endEarly(new CancelledError(reason.message, { cause: reason })),
    );
  }

  override abort(reason: Error): void {
    this.fail(this.#endEarly(reason));
  }
}

const DONE: Promise<void> = Promise.resolve();

/** A checkpoint: sends all of `data`. `owner` is not collected while the send waits. */
export function send(
  descriptor: Descriptor,
  data: Bytes,
  method: string,
  owner: object | null = null,
): Promise<void> {
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  const usageError = descriptor.usageError('write', method);
  if (usageError !== null) return rejected(usageError);
  const size = lengthNow(data);
  if (size === 0) return resolved(undefined);
  if (descriptor.isReady('write') && spend()) {
    const sent = descriptor.reactor.native.send(descriptor.fd, data, 0, 0);
    if (sent === size) return sentWhole(descriptor);
    if (sent > 0) return goOn(new Send(descriptor, [data], [size], sent, owner), scope);
    if (sent < 0 && !descriptor.wouldBlock('write', sent))
      return Promise.reject(sendFailed(descriptor, sent, 'send'));
  }
  return wait(new Send(descriptor, [data], [size], 0, owner), scope);
}

/** A checkpoint: sends all of `buffers`, gathered by sendmsg(2). Otherwise as `send`. */
export function sendGathered(
  descriptor: Descriptor,
  buffers: readonly Bytes[],
  method: string,
  owner: object | null = null,
): Promise<void> {
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  const usageError = descriptor.usageError('write', method);
  if (usageError !== null) return rejected(usageError);
  let total = 0;
  const sizes = buffers.map((buffer) => {
    const size = lengthNow(buffer);
    total += size;
    return size;
  });
  if (total === 0) return resolved(undefined);
  if (descriptor.isReady('write') && spend()) {
    const { native } = descriptor.reactor;
    if (buffers.length > native.limits.iovMax)
      return goOn(new Send(descriptor, buffers, sizes, 0, owner), scope);
    const sent = sendBuffers(native, descriptor.fd, buffers, 0, 0);
    if (sent === total) return sentWhole(descriptor);
    if (sent > 0) return goOn(new Send(descriptor, buffers, sizes, sent, owner), scope);
    if (sent < 0 && !descriptor.wouldBlock('write', sent))
      return Promise.reject(sendFailed(descriptor, sent, 'sendmsg'));
  }
  return wait(new Send(descriptor, buffers, sizes, 0, owner), scope);
}

/** A first call has taken all. */
function sentWhole(descriptor: Descriptor): Promise<void> {
  descriptor.hasSent = true;
  return DONE;
}

/**
 * Goes on with a send in the same turn: a first call has taken a part, or the buffers are more than
 * one call takes. A part alone proves nothing (the kernel may have been short of memory for a
 * moment), so the next call has to return EAGAIN before the send waits for an event.
 */
function goOn(operation: Send, scope: WaitScope | undefined): Promise<void> {
  try {
    if (operation.attempt() !== WOULD_BLOCK) return DONE;
  } catch (error) {
    return Promise.reject(error);
  }
  return wait(operation, scope);
}

function wait(operation: Send, scope: WaitScope | undefined): Promise<void> {
  return operation.enter(scope).park(operation.descriptor.isReady('write')).promise;
}

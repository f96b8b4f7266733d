import { lengthNow } from '../arguments/buffers';
import type { Bytes } from '../contract/bytes';
import { EAGAIN, ENOBUFS, ENOMEM } from '../errno';
import {
  CancelledError,
  type ClosedResourceError,
  InvalidStateError,
  systemError,
} from '../errors';
import { currentScope } from '../waiting/context';
import { cancelled, isCancelled } from '../waiting/operation';
import { spend } from '../waiting/turn-budget';
import type { Descriptor } from './descriptor';
import { IoOperation, WOULD_BLOCK, wouldBlock } from './io-operation';
import { copyPacket, scratch } from './receive-memory';
import { sendBuffers } from './scatter-gather';

/**
 * Receives and sends on a stream: the hot path. A call that can complete at once costs one system
 * call and one promise.
 *
 * `owner` is the face of the descriptor that is closed when it is collected: it is not while an
 * operation of it waits.
 */

/**
 * One recv(2) into `buffer`, which is not empty. A buffer that was not filled means that the
 * kernel's is drained, on TCP; on a Unix socket a receive also stops where control messages begin,
 * so there only EAGAIN proves it.
 */
function receiveOnce(descriptor: Descriptor, buffer: Bytes): number | typeof WOULD_BLOCK {
  const size = buffer.byteLength;
  if (size === 0) throw goneBuffer();
  if (descriptor.readError !== 0) throw systemError(descriptor.readError, 'recv');
  const count = descriptor.reactor.native.recv(descriptor.fd, buffer, 0);
  if (count > 0) {
    if (count < size && descriptor.kind.isTcp) descriptor.drained();
    return count;
  }
  if (count === 0) return 0;
  return receiveFailed(descriptor, count, 'recv');
}

/**
 * What a negative code of a stream receive means: nothing yet, or the end of the connection, which
 * later receives are told too.
 */
export function receiveFailed(
  descriptor: Descriptor,
  code: number,
  syscall: string,
): typeof WOULD_BLOCK {
  if (code === EAGAIN) return wouldBlock(descriptor, 'read');
  // The kernel short of memory: the connection is none the worse.
  if (code !== ENOMEM && code !== ENOBUFS) descriptor.readError = code;
  throw systemError(code, syscall);
}

/** One recv(2) of up to `size` bytes. */
export function receiveSome(descriptor: Descriptor, size: number): Uint8Array | typeof WOULD_BLOCK {
  const memory = scratch(size);
  const count = receiveOnce(descriptor, memory);
  return count === WOULD_BLOCK ? WOULD_BLOCK : copyPacket(memory, 0, count);
}

function goneBuffer(): TypeError {
  const error = new TypeError('The buffer was detached or resized while the operation was waiting');
  return Object.assign(error, { code: 'ERR_INVALID_ARG_TYPE' });
}

class Receive extends IoOperation<number> {
  readonly syscall = 'recv';
  readonly #buffer: Bytes;

  constructor(descriptor: Descriptor, buffer: Bytes, owner: object | null) {
    super(descriptor, 'read', owner);
    this.#buffer = buffer;
  }

  protected attempt(): number | typeof WOULD_BLOCK {
    return receiveOnce(this.descriptor, this.#buffer);
  }
}

/** A checkpoint: recv(2) into `buffer`, which is not empty. */
export function receive(
  descriptor: Descriptor,
  buffer: Bytes,
  method: string,
  owner: object | null = null,
): Promise<number> {
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  if (descriptor.fd < 0 || descriptor.reader !== null || descriptor.closing) {
    const refusal = descriptor.refusal('read', method);
    if (refusal !== null) return Promise.reject(refusal);
  }
  if (descriptor.mayRead && spend()) {
    try {
      const count = receiveOnce(descriptor, buffer);
      if (count !== WOULD_BLOCK) return Promise.resolve(count);
    } catch (error) {
      return Promise.reject(error);
    }
  }
  return new Receive(descriptor, buffer, owner).enter(scope).park(descriptor.mayRead).promise;
}

/**
 * Sends some buffers to their end, in as many calls as it takes. Only the first call may have been
 * made before, so this holds what a send that did not end at once needs.
 */
class Send extends IoOperation<void> {
  readonly syscall = 'send';
  readonly #buffers: readonly Bytes[];
  /** Their lengths when the send began: what of them has gone is counted in these. */
  readonly #sizes: readonly number[];
  /** The first buffer that has bytes left, and how many of its bytes have gone. */
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
      const wanted = this.#bytesUntil(end);
      const count = this.#call(end);
      if (count === EAGAIN) return wouldBlock(descriptor, 'write');
      if (count < 0) throw this.#giveUp(systemError(count, 'send'));
      this.#advance(count);
      if (this.#index === this.#buffers.length) return undefined;
      if (count < wanted) return wouldBlock(descriptor, 'write');
    } while (spend());
    return WOULD_BLOCK;
  }

  /**
   * One send(2) or sendmsg(2) of what is left of the buffers before `end`, at most IOV_MAX of them.
   */
  #call(end: number): number {
    const { fd, reactor } = this.descriptor;
    const buffers = this.#buffers;
    if (end - this.#index === 1)
      return reactor.native.send(fd, buffers[this.#index] as Bytes, this.#offset, 0);
    const window = end - this.#index === buffers.length ? buffers : buffers.slice(this.#index, end);
    return sendBuffers(reactor.native, fd, window, this.#offset, 0);
  }

  /**
   * What is left to send of the buffers before `end`. @throws TypeError if one is not as it was:
   * its bytes would be missing from the stream.
   */
  #bytesUntil(end: number): number {
    let total = -this.#offset;
    for (let i = this.#index; i < end; i++) {
      const size = this.#sizes[i] as number;
      if (size > 0 && lengthNow(this.#buffers[i] as Bytes) !== size)
        throw this.#giveUp(goneBuffer());
      total += size;
    }
    return total;
  }

  #advance(count: number): void {
    this.#sent += count;
    let left = this.#offset + count;
    const sizes = this.#sizes;
    while (this.#index < sizes.length && left >= (sizes[this.#index] as number))
      left -= sizes[this.#index++] as number;
    this.#offset = left;
  }

  /**
   * The error with which it ends, told what has gone. Half a message cannot be taken back: the
   * stream is of no more use.
   */
  #giveUp<E extends Error>(error: E): E {
    if (this.#sent === 0) return error;
    this.descriptor.broken = true;
    return Object.assign(error, { bytesSent: this.#sent });
  }

  override cancel(reason: CancelledError): void {
    // The scope's own error is one for many operations: how much went is this one's.
    super.cancel(
      this.#sent === 0
        ? reason
        : this.#giveUp(new CancelledError(reason.message, { cause: reason })),
    );
  }

  override lose(reason: ClosedResourceError): void {
    this.fail(this.#giveUp(reason));
  }
}

const DONE: Promise<void> = Promise.resolve();

/** A checkpoint: sends all of `data`. */
export function send(
  descriptor: Descriptor,
  data: Bytes,
  method: string,
  owner: object | null = null,
): Promise<void> {
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  if (descriptor.fd < 0 || descriptor.writer !== null || descriptor.closing || descriptor.broken) {
    const refusal = descriptor.refusal('write', method);
    if (refusal !== null) return Promise.reject(refusal);
  }
  const size = data.byteLength;
  if (size === 0) return DONE;
  let sent = 0;
  if (descriptor.mayWrite && spend()) {
    sent = descriptor.reactor.native.send(descriptor.fd, data, 0, 0);
    if (sent === size) return DONE;
    if (sent < 0 && sent !== EAGAIN) return Promise.reject(systemError(sent, 'send'));
    sent = leftOver(descriptor, sent);
  }
  return new Send(descriptor, [data], [size], sent, owner).enter(scope).park(descriptor.mayWrite)
    .promise;
}

/** A checkpoint: sends all of `buffers`, gathered by sendmsg(2). */
export function sendGathered(
  descriptor: Descriptor,
  buffers: readonly Bytes[],
  method: string,
  owner: object | null = null,
): Promise<void> {
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  const refusal = descriptor.refusal('write', method);
  if (refusal !== null) return Promise.reject(refusal);
  let total = 0;
  const sizes = buffers.map((buffer) => {
    const { byteLength } = buffer;
    total += byteLength;
    return byteLength;
  });
  if (total === 0) return DONE;
  let sent = 0;
  if (descriptor.mayWrite && spend()) {
    const { native } = descriptor.reactor;
    if (buffers.length > native.limits.iovMax)
      return sendWindows(descriptor, buffers, sizes, owner);
    sent = sendBuffers(native, descriptor.fd, buffers, 0, 0);
    if (sent === total) return DONE;
    if (sent < 0 && sent !== EAGAIN) return Promise.reject(systemError(sent, 'sendmsg'));
    sent = leftOver(descriptor, sent);
  }
  return new Send(descriptor, buffers, sizes, sent, owner).enter(scope).park(descriptor.mayWrite)
    .promise;
}

/** More buffers than one call takes: as many calls as the kernel has room for. */
function sendWindows(
  descriptor: Descriptor,
  buffers: readonly Bytes[],
  sizes: readonly number[],
  owner: object | null,
): Promise<void> {
  const operation = new Send(descriptor, buffers, sizes, 0, owner);
  try {
    if (operation.attempt() !== WOULD_BLOCK) return DONE;
  } catch (error) {
    return Promise.reject(error);
  }
  return operation.enter(currentScope()).park(descriptor.mayWrite).promise;
}

/**
 * A first call has taken a part, or (EAGAIN) nothing: the kernel's buffer is full, and it will tell
 * when there is room. A second call would only be told the same.
 *
 * @returns how many bytes have gone
 */
function leftOver(descriptor: Descriptor, count: number): number {
  descriptor.mayWrite = false;
  return Math.max(count, 0);
}

/**
 * The sockets whose receives and sends these are. @throws InvalidStateError if something else has
 * the descriptor.
 */
export function claim(descriptor: Descriptor): Descriptor {
  if (descriptor.claimed)
    throw new InvalidStateError(
      `fd ${String(descriptor.fd)} belongs to a transport or listener already`,
    );
  descriptor.claimed = true;
  return descriptor;
}

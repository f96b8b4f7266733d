import {
  checkBytes,
  checkBytesList,
  isFilledBytes,
  lengthNow,
  readBytes,
  readBytesList,
  totalLength,
} from '../../arguments/buffers';
import { checkInteger, invalidArgument, outOfRange } from '../../arguments/validate';
import type { AncillaryData } from '../../contract/ancillary';
import type { AsyncBackend } from '../../contract/backend';
import type { Bytes } from '../../contract/bytes';
import type { ReceivedMessage } from '../../contract/socket';
import type { AsyncStreamTransport } from '../../contract/transports';
import { EMSGSIZE, ENOTCONN } from '../../errno';
import { type SystemError, systemError } from '../../errors';
import { encodeAncillary } from '../../socket/ancillary';
import type { Descriptor } from '../../socket/descriptor';
import { type IoCall, perform, performNothing, WOULD_BLOCK } from '../../socket/io-operation';
import { receiveMessage } from '../../socket/message';
import { scratch } from '../../socket/receive-memory';
import { receiveBuffers } from '../../socket/scatter-gather';
import type { NativeSocket } from '../../socket/socket';
import {
  endOfStream,
  RECV,
  RECV_INTO,
  receiveFailed,
  send,
  sendFailed,
  sendGathered,
} from '../../socket/stream-io';
import { currentScope } from '../../waiting/context';
import { cancelled, isCancelled, rejected, resolved } from '../../waiting/operation';
import { lingers } from './lingering-close';
import { NativeTransport } from './transport';

const MAX_INT = 0x7fffffff;
/** shutdown(2): SHUT_WR. */
const SHUT_WR = 1;
/**
 * The most that one `recv` returns, whatever its `bufsize`: the memory is allocated before the size
 * of the data is known.
 */
const MAX_RECV_BYTES = 1024 * 1024;
const EMPTY = new Uint8Array(0);
const NO_ANCILLARY: AncillaryData = Object.freeze({});

const RECV_INTO_MANY: IoCall<readonly Bytes[], number> = {
  direction: 'read',
  name: 'recvIntoMany',
  syscall: 'recvmsg',
  attempt: (descriptor, buffers) => {
    // Without any room, the result 0 would look like the end of the stream.
    if (buffers.every((view) => lengthNow(view) === 0))
      throw invalidArgument('buffers', 'left as they are until the promise settles', buffers);
    const count = receiveBuffers(descriptor.reactor.native, descriptor.fd, buffers, 0);
    if (count > 0) return count;
    if (count === 0) return endOfStream(descriptor, 'recvmsg');
    return receiveFailed(descriptor, count, 'recvmsg');
  },
};

const RECV_WITH_ANCILLARY: IoCall<
  { readonly size: number; readonly ancillaryBufsize: number },
  { data: Uint8Array; ancillary: AncillaryData }
> = {
  direction: 'read',
  name: 'recvWithAncillary',
  syscall: 'recvmsg',
  attempt: (descriptor, { size, ancillaryBufsize }) => {
    const memory = scratch(size);
    const message = receiveOne(descriptor, memory, ancillaryBufsize);
    return message === WOULD_BLOCK
      ? WOULD_BLOCK
      : { data: memory.slice(0, message.bytes), ancillary: message.ancillary };
  },
};

const RECV_WITH_ANCILLARY_INTO: IoCall<
  { readonly buffer: Bytes; readonly byteLength: number; readonly ancillaryBufsize: number },
  { bytes: number; ancillary: AncillaryData }
> = {
  direction: 'read',
  name: 'recvWithAncillaryInto',
  syscall: 'recvmsg',
  attempt: (descriptor, { buffer, byteLength, ancillaryBufsize }) => {
    // A buffer that was detached while the call waited would look like the end of the stream.
    if (lengthNow(buffer) !== byteLength)
      throw invalidArgument('buffer', 'of the same length until the promise settles', buffer);
    const message = receiveOne(descriptor, buffer, ancillaryBufsize);
    return message === WOULD_BLOCK
      ? WOULD_BLOCK
      : { bytes: message.bytes, ancillary: message.ancillary };
  },
};

const SEND_ALL_WITH_ANCILLARY: IoCall<
  {
    readonly buffers: readonly Bytes[];
    readonly total: number;
    readonly control: Uint8Array | null;
  },
  undefined
> = {
  direction: 'write',
  name: 'sendAllWithAncillary',
  syscall: 'sendmsg',
  attempt: (descriptor, { buffers, total, control }) => {
    checkBytesList('data', buffers);
    const sent = descriptor.reactor.native.sendmsg(
      descriptor.fd,
      buffers,
      0,
      null,
      0,
      control,
      control === null ? 0 : control.length,
      0,
    );
    if (descriptor.wouldBlock('write', sent)) return WOULD_BLOCK;
    if (sent < 0) throw sendFailed(descriptor, sent, 'sendmsg');
    descriptor.hasSent = true;
    if (sent < total) throw Object.assign(systemError(EMSGSIZE, 'sendmsg'), { bytesSent: sent });
    return undefined;
  },
};

/**
 * A connected stream socket: TCP or Unix. (Its private methods are TypeScript's: with `#` they
 * would take a slot of each connection's object.)
 */
export class NativeStreamTransport extends NativeTransport implements AsyncStreamTransport {
  /** Takes ownership of the descriptor. @internal */
  constructor(
    backend: AsyncBackend,
    descriptor: Descriptor,
    socket: NativeSocket | null = null,
    onClose: (() => void) | null = null,
  ) {
    super(backend, descriptor, 'A stream transport', socket, onClose);
  }

  recvInto(buffer: Bytes): Promise<number> {
    if (!isFilledBytes(buffer)) return this.recvIntoSpecial(buffer);
    return perform(this.descriptor, RECV_INTO, buffer, this);
  }

  /**
   * Neither an async function nor a closure: an idle connection waits here, and keeps no more
   * memory than its operation.
   */
  recv(bufsize: number): Promise<Uint8Array> {
    try {
      checkInteger('bufsize', bufsize, 0, MAX_INT);
    } catch (error) {
      return Promise.reject(error);
    }
    return bufsize === 0
      ? performNothing(this.descriptor, RECV, EMPTY)
      : perform(this.descriptor, RECV, Math.min(bufsize, MAX_RECV_BYTES), this);
  }

  async recvIntoMany(buffers: readonly Bytes[]): Promise<number> {
    const views = readBytesList('buffers', buffers);
    return totalLength(views) === 0
      ? performNothing(this.descriptor, RECV_INTO_MANY, 0)
      : perform(this.descriptor, RECV_INTO_MANY, views, this);
  }

  async recvWithAncillary(
    bufsize: number,
    ancillaryBufsize: number,
  ): Promise<{ data: Uint8Array; ancillary: AncillaryData }> {
    checkInteger('bufsize', bufsize, 0, MAX_INT);
    this.checkAncillary('ancillaryBufsize', ancillaryBufsize);
    if (bufsize === 0) {
      const nothing = { data: EMPTY, ancillary: NO_ANCILLARY };
      return performNothing(this.descriptor, RECV_WITH_ANCILLARY, nothing);
    }
    const size = Math.min(bufsize, MAX_RECV_BYTES);
    return perform(this.descriptor, RECV_WITH_ANCILLARY, { size, ancillaryBufsize }, this);
  }

  async recvWithAncillaryInto(
    buffer: Bytes,
    ancillaryBufsize: number,
  ): Promise<{ bytes: number; ancillary: AncillaryData }> {
    checkBytes('buffer', buffer);
    this.checkAncillary('ancillaryBufsize', ancillaryBufsize);
    const byteLength = lengthNow(buffer);
    if (byteLength === 0) {
      const nothing = { bytes: 0, ancillary: NO_ANCILLARY };
      return performNothing(this.descriptor, RECV_WITH_ANCILLARY_INTO, nothing);
    }
    const into = { buffer, byteLength, ancillaryBufsize };
    return perform(this.descriptor, RECV_WITH_ANCILLARY_INTO, into, this);
  }

  sendAll(data: Bytes): Promise<void> {
    return isFilledBytes(data)
      ? send(this.descriptor, data, 'sendAll', this)
      : this.sendAllSpecial(data);
  }

  async sendAllFromIterable(data: Iterable<Bytes>): Promise<void> {
    return sendGathered(this.descriptor, readBytes('data', data), 'sendAllFromIterable', this);
  }

  async sendAllWithAncillary(data: Iterable<Bytes>, ancillary: AncillaryData): Promise<void> {
    const buffers = readBytes('data', data);
    const total = totalLength(buffers);
    this.checkAncillary('ancillaryBufsize', 0);
    const control = encodeAncillary(ancillary);
    // The kernel accepts control messages without data, and sends nothing: unix(7) requires at
    // least one byte of real data.
    if (control !== null && total === 0)
      throw outOfRange(
        'data',
        'at least one byte long, for the control messages to go with',
        total,
      );
    return perform(this.descriptor, SEND_ALL_WITH_ANCILLARY, { buffers, total, control }, this);
  }

  async sendEof(): Promise<void> {
    const { descriptor } = this;
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    if (this.isClosing()) return resolved(undefined);
    const usageError = descriptor.usageError('write', 'sendEof');
    if (usageError !== null) return rejected(usageError);
    const status = descriptor.reactor.native.shutdown(descriptor.fd, SHUT_WR);
    // ENOTCONN: the peer has closed the connection, and so has seen its end already.
    return status < 0 && status !== ENOTCONN
      ? rejected(systemError(status, 'shutdown'))
      : resolved(undefined);
  }

  protected override lingers(): boolean {
    return lingers(this.descriptor, () => {
      this.closeNow();
    });
  }

  /** `recvInto` for other views, for empty buffers, and for arguments that are not buffers. */
  private async recvIntoSpecial(buffer: Bytes): Promise<number> {
    checkBytes('buffer', buffer);
    return lengthNow(buffer) === 0
      ? performNothing(this.descriptor, RECV_INTO, 0)
      : perform(this.descriptor, RECV_INTO, buffer, this);
  }

  private async sendAllSpecial(data: Bytes): Promise<void> {
    checkBytes('data', data);
    return send(this.descriptor, data, 'sendAll', this);
  }
}

/** One recvmsg(2) of a stream. */
function receiveOne(
  descriptor: Descriptor,
  buffer: Bytes,
  ancillaryBufsize: number,
): ReceivedMessage | typeof WOULD_BLOCK {
  let message: ReceivedMessage | null;
  try {
    message = receiveMessage(descriptor, [buffer], ancillaryBufsize, 0);
  } catch (error) {
    const { errno } = error as Partial<SystemError>;
    if (errno === undefined) throw error;
    return receiveFailed(descriptor, errno, 'recvmsg');
  }
  if (message === null) return WOULD_BLOCK;
  if (message.bytes === 0) endOfStream(descriptor, 'recvmsg');
  return message;
}

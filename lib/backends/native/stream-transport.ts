import { checkBytes, checkBytesList, lengthNow, totalLength } from '../../arguments/buffers';
import { checkInteger, invalidArgument, outOfRange } from '../../arguments/validate';
import type { AncillaryData } from '../../contract/ancillary';
import type { AsyncBackend } from '../../contract/backend';
import type { Bytes } from '../../contract/bytes';
import type { ReceivedMessage } from '../../contract/socket';
import type { AsyncStreamTransport } from '../../contract/transports';
import { EAGAIN, EMSGSIZE, ENOTCONN } from '../../errno';
import { type SystemError, systemError } from '../../errors';
import { encodeAncillary } from '../../socket/ancillary';
import type { Descriptor } from '../../socket/descriptor';
import { perform, performNothing, WOULD_BLOCK, wouldBlock } from '../../socket/io-operation';
import { receiveMessage } from '../../socket/message';
import { scratch } from '../../socket/receive-memory';
import { receiveBuffers } from '../../socket/scatter-gather';
import type { NativeSocket } from '../../socket/socket';
import { receive, receiveFailed, receiveSome, send, sendGathered } from '../../socket/stream-io';
import { throwIfCancelled } from '../../waiting/context';
import { NativeTransport } from './transport';

const MAX_INT = 0x7fffffff;
const WRITE = 1;
/**
 * What `recv` gives at once at most, whatever it is asked for: memory is set aside before it is
 * known how much has come.
 */
const MAX_RECV_BYTES = 1024 * 1024;
const EMPTY = new Uint8Array(0);
const NO_ANCILLARY: AncillaryData = Object.freeze({});

/**
 * A connected stream socket: TCP or Unix. (Private methods in the language's own way would take a
 * slot of every connection.)
 */
export class NativeStreamTransport extends NativeTransport implements AsyncStreamTransport {
  /** Takes the descriptor over. @internal */
  constructor(
    backend: AsyncBackend,
    descriptor: Descriptor,
    socket: NativeSocket | null = null,
    onClose: (() => void) | null = null,
  ) {
    super(backend, descriptor, 'A stream transport', socket, onClose);
  }

  recvInto(buffer: Bytes): Promise<number> {
    if (!(buffer instanceof Uint8Array) || buffer.byteLength === 0)
      return this.recvIntoSpecial(buffer);
    return receive(this.descriptor, buffer, 'recvInto', this);
  }

  /**
   * Neither an async function nor a closure: an idle connection waits here, and holds no more than
   * its operation.
   */
  recv(bufsize: number): Promise<Uint8Array> {
    try {
      checkInteger('bufsize', bufsize, 0, MAX_INT);
    } catch (error) {
      return Promise.reject(error);
    }
    const { descriptor } = this;
    if (bufsize === 0) return performNothing(descriptor, 'read', 'recv', EMPTY);
    return perform(
      descriptor,
      'read',
      'recv',
      'recv',
      receiveSome,
      this,
      Math.min(bufsize, MAX_RECV_BYTES),
    );
  }

  async recvIntoMany(buffers: readonly Bytes[]): Promise<number> {
    checkBytesList('buffers', buffers);
    const views = [...buffers];
    const wanted = totalLength(views);
    const { descriptor } = this;
    if (wanted === 0) return performNothing(descriptor, 'read', 'recvIntoMany', 0);
    return this.receive('recvIntoMany', 'recvmsg', () => {
      // Without room, it would look like the end of the stream.
      if (views.every((view) => lengthNow(view) === 0))
        throw invalidArgument('buffers', 'left as they are until the promise settles', buffers);
      const count = receiveBuffers(descriptor.reactor.native, descriptor.fd, views, 0);
      return count < 0 ? receiveFailed(descriptor, count, 'recvmsg') : count;
    });
  }

  async recvWithAncillary(
    bufsize: number,
    ancillaryBufsize: number,
  ): Promise<{ data: Uint8Array; ancillary: AncillaryData }> {
    checkInteger('bufsize', bufsize, 0, MAX_INT);
    this.checkAncillary('ancillaryBufsize', ancillaryBufsize);
    if (bufsize === 0)
      return performNothing(this.descriptor, 'read', 'recvWithAncillary', {
        data: EMPTY,
        ancillary: NO_ANCILLARY,
      });
    return this.receive('recvWithAncillary', 'recvmsg', () => {
      const memory = scratch(Math.min(bufsize, MAX_RECV_BYTES));
      const message = this.receiveMessage([memory], ancillaryBufsize);
      return message === WOULD_BLOCK
        ? WOULD_BLOCK
        : { data: memory.slice(0, message.bytes), ancillary: message.ancillary };
    });
  }

  async recvWithAncillaryInto(
    buffer: Bytes,
    ancillaryBufsize: number,
  ): Promise<{ bytes: number; ancillary: AncillaryData }> {
    checkBytes('buffer', buffer);
    this.checkAncillary('ancillaryBufsize', ancillaryBufsize);
    const { byteLength } = buffer;
    if (byteLength === 0)
      return performNothing(this.descriptor, 'read', 'recvWithAncillaryInto', {
        bytes: 0,
        ancillary: NO_ANCILLARY,
      });
    return this.receive('recvWithAncillaryInto', 'recvmsg', () => {
      // A buffer that went away while it waited would look like the end of the stream.
      if (lengthNow(buffer) !== byteLength)
        throw invalidArgument('buffer', 'of the same length until the promise settles', buffer);
      const message = this.receiveMessage([buffer], ancillaryBufsize);
      return message === WOULD_BLOCK
        ? WOULD_BLOCK
        : { bytes: message.bytes, ancillary: message.ancillary };
    });
  }

  sendAll(data: Bytes): Promise<void> {
    if (!(data instanceof Uint8Array) || data.byteLength === 0) return this.sendSpecial(data);
    return send(this.descriptor, data, 'sendAll', this);
  }

  async sendAllFromIterable(data: Iterable<Bytes>): Promise<void> {
    return sendGathered(this.descriptor, collect(data), 'sendAllFromIterable', this);
  }

  async sendAllWithAncillary(data: Iterable<Bytes>, ancillary: AncillaryData): Promise<void> {
    const buffers = collect(data);
    const total = totalLength(buffers);
    this.checkAncillary('ancillaryBufsize', 0);
    const control = encodeAncillary(ancillary);
    // The kernel takes such a message, and sends nothing: unix(7) wants at least one byte of real
    // data.
    if (control !== null && total === 0)
      throw outOfRange(
        'data',
        'at least one byte long, for the control messages to go with',
        total,
      );
    const { descriptor } = this;
    const { native } = descriptor.reactor;
    return perform(
      descriptor,
      'write',
      'sendAllWithAncillary',
      'sendmsg',
      () => {
        checkBytesList('data', buffers);
        const sent = native.sendmsg(
          descriptor.fd,
          buffers,
          0,
          null,
          0,
          control,
          control === null ? 0 : control.length,
          0,
        );
        if (sent === EAGAIN) return wouldBlock(descriptor, 'write');
        if (sent < 0) throw systemError(sent, 'sendmsg');
        if (sent < total)
          throw Object.assign(systemError(EMSGSIZE, 'sendmsg'), { bytesSent: sent });
        return undefined;
      },
      this,
    );
  }

  async sendEof(): Promise<void> {
    const { descriptor } = this;
    throwIfCancelled();
    if (this.isClosing()) return;
    const refusal = descriptor.refusal('write', 'sendEof');
    if (refusal !== null) throw refusal;
    const status = descriptor.reactor.native.shutdown(descriptor.fd, WRITE);
    // The peer has gone: it has seen the end already.
    if (status < 0 && status !== ENOTCONN) throw systemError(status, 'shutdown');
  }

  /** What recvInto does for other views, for empty buffers, and for what is no buffer. */
  private async recvIntoSpecial(buffer: Bytes): Promise<number> {
    checkBytes('buffer', buffer);
    if (buffer.byteLength > 0) return receive(this.descriptor, buffer, 'recvInto', this);
    return performNothing(this.descriptor, 'read', 'recvInto', 0);
  }

  private async sendSpecial(data: Bytes): Promise<void> {
    checkBytes('data', data);
    return send(this.descriptor, data, 'sendAll', this);
  }

  /** A receive of any form. What ended the connection ends all of them. */
  private receive<T>(
    method: string,
    syscall: string,
    attempt: () => T | typeof WOULD_BLOCK,
  ): Promise<T> {
    const { descriptor } = this;
    return perform(
      descriptor,
      'read',
      method,
      syscall,
      () => {
        if (descriptor.readError !== 0) throw systemError(descriptor.readError, syscall);
        return attempt();
      },
      this,
    );
  }

  private receiveMessage(
    buffers: readonly Bytes[],
    ancillaryBufsize: number,
  ): ReceivedMessage | typeof WOULD_BLOCK {
    const { descriptor } = this;
    try {
      return (
        receiveMessage(descriptor, buffers, ancillaryBufsize, 0) ?? wouldBlock(descriptor, 'read')
      );
    } catch (error) {
      const { errno } = error as Partial<SystemError>;
      if (errno === undefined) throw error;
      return receiveFailed(descriptor, errno, 'recvmsg');
    }
  }
}

/**
 * Read at once: what an iterator does between two system calls is not this transport's business.
 */
function collect(data: Iterable<Bytes>): Bytes[] {
  if (
    typeof (data as Partial<Iterable<Bytes>> | null | undefined)?.[Symbol.iterator] !== 'function'
  ) {
    throw invalidArgument('data', 'an iterable of buffers', data);
  }
  const buffers = [...data];
  checkBytesList('data', buffers);
  return buffers;
}

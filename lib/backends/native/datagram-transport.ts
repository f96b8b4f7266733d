import { checkBytes, lengthNow, readBytesList } from '../../arguments/buffers';
import { checkInteger, invalidArgument } from '../../arguments/validate';
import type { AncillaryData } from '../../contract/ancillary';
import type { AsyncBackend } from '../../contract/backend';
import type { Bytes } from '../../contract/bytes';
import type { AsyncDatagramTransport } from '../../contract/transports';
import { encodeAncillary } from '../../socket/ancillary';
import { receiveDatagrams, SendMany } from '../../socket/datagram-batch';
import {
  receiveDatagram,
  receiveDatagramInto,
  receiveDatagramMessage,
  sendDatagram,
} from '../../socket/datagram-io';
import type { Descriptor } from '../../socket/descriptor';
import { type IoCall, perform, WOULD_BLOCK } from '../../socket/io-operation';
import type { NativeSocket } from '../../socket/socket';
import { currentScope } from '../../waiting/context';
import { cancelled, isCancelled, rejected } from '../../waiting/operation';
import { spend } from '../../waiting/turn-budget';
import { NativeTransport } from './transport';

const RECV: IoCall<undefined, Uint8Array> = {
  direction: 'read',
  name: 'recv',
  syscall: 'recvmsg',
  attempt: (descriptor) => {
    const datagram = receiveDatagram(descriptor, null);
    return datagram === WOULD_BLOCK ? WOULD_BLOCK : datagram.data;
  },
};

/** A caller's buffer, and its length when the call began. */
interface Target {
  readonly buffer: Bytes;
  readonly byteLength: number;
}

const RECV_INTO: IoCall<Target, number> = {
  direction: 'read',
  name: 'recvInto',
  syscall: 'recvmsg',
  attempt: (descriptor, { buffer, byteLength }) => {
    // A buffer that was detached while the call waited would swallow a datagram.
    if (lengthNow(buffer) !== byteLength) throw lengthChanged('buffer', buffer);
    return receiveDatagramInto(descriptor, buffer);
  },
};

const RECV_WITH_ANCILLARY: IoCall<number, { data: Uint8Array; ancillary: AncillaryData }> = {
  direction: 'read',
  name: 'recvWithAncillary',
  syscall: 'recvmsg',
  attempt: (descriptor, ancillaryBufsize) => {
    const message = receiveDatagramMessage(descriptor, ancillaryBufsize);
    return message === WOULD_BLOCK
      ? WOULD_BLOCK
      : { data: message.data, ancillary: message.ancillary };
  },
};

const RECV_MANY: IoCall<number, Uint8Array[]> = {
  direction: 'read',
  name: 'recvMany',
  syscall: 'recvmsg',
  attempt: receiveDatagrams,
};

/** A datagram to be sent. */
interface Packet {
  readonly data: readonly [Bytes];
  /** The length of `data` when the call began. */
  readonly byteLength: number;
  readonly control: Uint8Array | null;
}

function attemptSend(
  descriptor: Descriptor,
  { data, byteLength, control }: Packet,
): undefined | typeof WOULD_BLOCK {
  // A buffer that was detached while the call waited would be sent as an empty datagram.
  if (lengthNow(data[0]) !== byteLength) throw lengthChanged('data', data[0]);
  return sendDatagram(descriptor, data, null, control);
}

const SEND: IoCall<Packet, undefined> = {
  direction: 'write',
  name: 'send',
  syscall: 'sendmsg',
  attempt: attemptSend,
};

const SEND_WITH_ANCILLARY: IoCall<Packet, undefined> = {
  direction: 'write',
  name: 'sendWithAncillary',
  syscall: 'sendmsg',
  attempt: attemptSend,
};

/** A connected datagram socket: UDP or Unix. */
export class NativeDatagramTransport extends NativeTransport implements AsyncDatagramTransport {
  /** Takes ownership of the descriptor. @internal */
  constructor(
    backend: AsyncBackend,
    descriptor: Descriptor,
    socket: NativeSocket | null = null,
    onClose: (() => void) | null = null,
  ) {
    super(backend, descriptor, 'A datagram transport', socket, onClose);
  }

  recv(): Promise<Uint8Array> {
    return perform(this.descriptor, RECV, undefined, this);
  }

  async recvInto(buffer: Bytes): Promise<number> {
    checkBytes('buffer', buffer);
    const byteLength = lengthNow(buffer);
    return perform(this.descriptor, RECV_INTO, { buffer, byteLength }, this);
  }

  async recvWithAncillary(
    ancillaryBufsize: number,
  ): Promise<{ data: Uint8Array; ancillary: AncillaryData }> {
    checkInteger('ancillaryBufsize', ancillaryBufsize, 0, 0x7fffffff);
    return perform(this.descriptor, RECV_WITH_ANCILLARY, ancillaryBufsize, this);
  }

  async recvMany(max: number): Promise<Uint8Array[]> {
    checkInteger('max', max, 1, 0x7fffffff);
    return perform(this.descriptor, RECV_MANY, max, this);
  }

  async send(data: Bytes): Promise<void> {
    checkBytes('data', data);
    const byteLength = lengthNow(data);
    return perform(this.descriptor, SEND, { data: [data], byteLength, control: null }, this);
  }

  async sendWithAncillary(data: Bytes, ancillary: AncillaryData): Promise<void> {
    checkBytes('data', data);
    const byteLength = lengthNow(data);
    const packet: Packet = { data: [data], byteLength, control: encodeAncillary(ancillary) };
    return perform(this.descriptor, SEND_WITH_ANCILLARY, packet, this);
  }

  async sendMany(packets: readonly Bytes[]): Promise<void> {
    const all = readBytesList('packets', packets);
    const { descriptor } = this;
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    const usageError = descriptor.usageError('write', 'sendMany');
    if (usageError !== null) return rejected(usageError);
    const operation = new SendMany(descriptor, all, this);
    if (descriptor.isReady('write') && spend() && operation.attempt() !== WOULD_BLOCK)
      return undefined;
    return operation.enter(scope).park(descriptor.isReady('write')).promise;
  }
}

function lengthChanged(name: string, buffer: Bytes): TypeError {
  return invalidArgument(name, 'of the same length until the promise settles', buffer);
}

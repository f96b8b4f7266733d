import { checkBytes, checkBytesList, lengthNow } from '../../arguments/buffers';
import { checkInteger, invalidArgument } from '../../arguments/validate';
import type { AncillaryData } from '../../contract/ancillary';
import type { AsyncBackend } from '../../contract/backend';
import type { Bytes } from '../../contract/bytes';
import type { AsyncDatagramTransport } from '../../contract/transports';
import { systemError } from '../../errors';
import { encodeAncillary } from '../../socket/ancillary';
import { receiveDatagrams, SendMany } from '../../socket/datagram-batch';
import {
  receiveDatagram,
  receiveDatagramInto,
  receiveDatagramMessage,
  sendDatagram,
} from '../../socket/datagram-io';
import type { Descriptor } from '../../socket/descriptor';
import { perform, WOULD_BLOCK } from '../../socket/io-operation';
import type { NativeSocket } from '../../socket/socket';
import { currentScope } from '../../waiting/context';
import { cancelled, isCancelled } from '../../waiting/operation';
import { spend } from '../../waiting/turn-budget';
import { NativeTransport } from './transport';

/** A connected datagram socket: UDP or Unix. */
export class NativeDatagramTransport extends NativeTransport implements AsyncDatagramTransport {
  /** Takes the descriptor over. @internal */
  constructor(
    backend: AsyncBackend,
    descriptor: Descriptor,
    socket: NativeSocket | null = null,
    onClose: (() => void) | null = null,
  ) {
    super(backend, descriptor, 'A datagram transport', socket, onClose);
  }

  recv(): Promise<Uint8Array> {
    return this.#receive('recv', () => {
      const datagram = receiveDatagram(this.descriptor, null);
      return datagram === WOULD_BLOCK ? WOULD_BLOCK : datagram.data;
    });
  }

  async recvInto(buffer: Bytes): Promise<number> {
    checkBytes('buffer', buffer);
    const { byteLength } = buffer;
    return this.#receive('recvInto', () => {
      // A buffer that went away while it waited would swallow a packet.
      if (lengthNow(buffer) !== byteLength) throw changed('buffer', buffer);
      return receiveDatagramInto(this.descriptor, buffer);
    });
  }

  async recvWithAncillary(
    ancillaryBufsize: number,
  ): Promise<{ data: Uint8Array; ancillary: AncillaryData }> {
    checkInteger('ancillaryBufsize', ancillaryBufsize, 0, 0x7fffffff);
    return this.#receive('recvWithAncillary', () => {
      const message = receiveDatagramMessage(this.descriptor, ancillaryBufsize);
      return message === WOULD_BLOCK
        ? WOULD_BLOCK
        : { data: message.data, ancillary: message.ancillary };
    });
  }

  async recvMany(max: number): Promise<Uint8Array[]> {
    checkInteger('max', max, 1, 0x7fffffff);
    return this.#receive('recvMany', () => receiveDatagrams(this.descriptor, max));
  }

  async send(data: Bytes): Promise<void> {
    checkBytes('data', data);
    return this.#send('send', data, null);
  }

  async sendWithAncillary(data: Bytes, ancillary: AncillaryData): Promise<void> {
    checkBytes('data', data);
    return this.#send('sendWithAncillary', data, encodeAncillary(ancillary));
  }

  async sendMany(packets: readonly Bytes[]): Promise<void> {
    checkBytesList('packets', packets);
    const { descriptor } = this;
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    const refusal = descriptor.refusal('write', 'sendMany');
    if (refusal !== null) throw refusal;
    const operation = new SendMany(descriptor, [...packets], this);
    if (descriptor.mayWrite && spend() && operation.attempt() !== WOULD_BLOCK) return undefined;
    return operation.enter(scope).park(descriptor.mayWrite).promise;
  }

  /** An error that a batch was told of behind its packets comes first. */
  #receive<T>(method: string, attempt: () => T | typeof WOULD_BLOCK): Promise<T> {
    const { descriptor } = this;
    return perform(
      descriptor,
      'read',
      method,
      'recvmsg',
      () => {
        const { readError } = descriptor;
        if (readError === 0) return attempt();
        descriptor.readError = 0;
        throw systemError(readError, 'recvmsg');
      },
      this,
    );
  }

  #send(method: string, data: Bytes, control: Uint8Array | null): Promise<void> {
    const { descriptor } = this;
    const packet = [data];
    const { byteLength } = data;
    return perform<void>(
      descriptor,
      'write',
      method,
      'sendmsg',
      () => {
        // A buffer that went away while it waited would be sent as an empty packet.
        if (lengthNow(data) !== byteLength) throw changed('data', data);
        return sendDatagram(descriptor, packet, null, control);
      },
      this,
    );
  }
}

function changed(name: string, buffer: Bytes): TypeError {
  return invalidArgument(name, 'of the same length until the promise settles', buffer);
}

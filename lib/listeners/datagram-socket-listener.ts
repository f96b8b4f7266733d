import type { AsyncBackend } from '../backends/async-backend';
import type { Awaitable } from '../concurrency/awaitable';
import type { TaskGroup } from '../concurrency/task-group';
import type { SystemError } from '../errors';
import { checkBytes } from '../internal/buffers';
import type { Bytes } from '../internal/bytes';
import { EBADF, ENOTSOCK } from '../internal/errno';
import { checkFunction, checkInteger } from '../internal/validate';
import type { InetAddress, UnixPath } from '../socket/address';
import { AddressCache } from '../socket/address-cache';
import { type AncillaryData, closeReceivedFds, encodeAncillary } from '../socket/ancillary';
import { receiveDatagramMessage } from '../socket/datagram-io';
import type { Descriptor } from '../socket/descriptor';
import { perform } from '../socket/io-operation';
import type { Socket } from '../socket/socket';
import { SocketTransport } from '../transports/socket-transport';
import { receiveFromAny } from './datagram-receive';
import { DatagramSender } from './datagram-sender';
import type { AsyncDatagramListener } from './listener';
import { Serving } from './serving';

/** How long a listener pauses after an error that came again and again. */
const LONGEST_PAUSE_MS = 100;

type Begin = (task: () => Awaitable<void>) => void;

/** A bound datagram socket: UDP (addresses are InetAddress) or Unix (UnixPath). */
export class DatagramSocketListener<A extends InetAddress | UnixPath> extends SocketTransport implements AsyncDatagramListener<A> {
  readonly #addresses = new AddressCache();
  readonly #sender: DatagramSender;
  readonly #serving = new Serving();

  /** Takes the descriptor over. @internal */
  constructor(backend: AsyncBackend, descriptor: Descriptor, socket: Socket | null = null, onClose: (() => void) | null = null) {
    super(backend, descriptor, 'A datagram listener', socket, onClose);
    this.#sender = new DatagramSender(descriptor);
  }

  async serve(handler: (data: Uint8Array, address: A) => Awaitable<void>, group?: TaskGroup): Promise<never> {
    checkFunction('handler', handler);
    const { descriptor } = this;
    const receive = () => receiveFromAny(descriptor, this.#addresses);
    return this.#serve(group, async (begin) => {
      const received = await perform(descriptor, 'read', 'serve', 'recvmsg', receive);
      for (const { data, address } of received) begin(() => handler(data, address as A));
    });
  }

  async serveWithAncillary(
    handler: (data: Uint8Array, ancillary: AncillaryData | null, address: A) => Awaitable<void>,
    ancillaryBufsize: number,
    group?: TaskGroup,
  ): Promise<never> {
    checkFunction('handler', handler);
    checkInteger('ancillaryBufsize', ancillaryBufsize, 0, 0x7fffffff);
    const { descriptor } = this;
    const receive = () => receiveDatagramMessage(descriptor, ancillaryBufsize);
    return this.#serve(group, async (begin) => {
      const { data, ancillary, address } = await perform(descriptor, 'read', 'serveWithAncillary', 'recvmsg', receive);
      try {
        begin(() => handler(data, ancillary, (address ?? '') as A));
      } catch (error) {
        closeReceivedFds(ancillary);
        throw error;
      }
    });
  }

  sendTo(data: Bytes, address: A): Promise<void> {
    try {
      checkBytes('data', data);
      return this.#sender.send('sendTo', { data, to: this.#addresses.encode(address, 'sendmsg'), address, control: null });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async sendWithAncillaryTo(data: Bytes, ancillary: AncillaryData, address: A): Promise<void> {
    checkBytes('data', data);
    const control = encodeAncillary(ancillary);
    return this.#sender.send('sendWithAncillaryTo', { data, to: this.#addresses.encode(address, 'sendmsg'), address, control });
  }

  override closeNow(): void {
    super.closeNow();
    this.#sender.close();
  }

  protected override isSending(): boolean {
    return super.isSending() || this.#sender.isSending;
  }

  #serve(group: TaskGroup | undefined, receive: (begin: Begin) => Promise<void>): Promise<never> {
    return this.#serving.run(this.backend(), group, (tasks) => this.#receiveForever(receive, tasks));
  }

  async #receiveForever(receive: (begin: Begin) => Promise<void>, group: TaskGroup): Promise<never> {
    const begin = (task: () => Awaitable<void>): void => {
      group.startSoon(task);
    };
    for (let pause = 0; ;) {
      try {
        await receive(begin);
        pause = 0;
      } catch (error) {
        if (!isPassing(error)) throw error;
        const { code, message } = error;
        process.emitWarning(`Unrelated error occurred on datagram reception: ${message}`, {
          type: 'SockscopeWarning',
          code: 'SOCKSCOPE_RECEIVE',
          detail: code,
        });
        // The first time only others get their turn. An error that does not go away (ENOMEM) is to cost neither the processor nor the log much.
        await this.backend().sleep(pause);
        pause = Math.min(2 * pause + 1, LONGEST_PAUSE_MS);
      }
    }
  }
}

/** An error that the kernel kept for the next receive, mostly one of an earlier send. Anything but the socket's own end may be passed over. */
function isPassing(error: unknown): error is SystemError {
  const { errno, syscall } = error as Partial<SystemError>;
  return (
    typeof errno === 'number' &&
    (syscall === 'recvmsg' || syscall === 'recvmmsg' || syscall === 'recv') &&
    errno !== EBADF &&
    errno !== ENOTSOCK
  );
}

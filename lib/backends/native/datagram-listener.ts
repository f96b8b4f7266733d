import { checkBytes } from '../../arguments/buffers';
import { checkFunction, checkInteger } from '../../arguments/validate';
import type { InetAddress, UnixPath } from '../../contract/addresses';
import type { AncillaryData } from '../../contract/ancillary';
import type { AsyncBackend } from '../../contract/backend';
import type { Bytes } from '../../contract/bytes';
import type { AsyncDatagramListener } from '../../contract/listeners';
import type { Awaitable, TaskGroup } from '../../contract/tasks';
import { EBADF, ENOTSOCK } from '../../errno';
import type { SystemError } from '../../errors';
import { Serving } from '../../networking/serving';
import { AddressCache } from '../../socket/address-cache';
import { closeReceivedFds, encodeAncillary } from '../../socket/ancillary';
import type { Descriptor } from '../../socket/descriptor';
import { type IoCall, perform, performNothing } from '../../socket/io-operation';
import type { NativeSocket } from '../../socket/socket';
import { currentScope } from '../../waiting/context';
import { isCancelled, type WaitScope } from '../../waiting/operation';
import { type Received, receiveFromAny, receiveWithAncillary } from './datagram-receive';
import { DatagramSender } from './datagram-sender';
import { NativeTransport } from './transport';

/** The longest pause of a listener after an error that keeps coming back. */
const LONGEST_PAUSE_MS = 100;

const SERVE: IoCall<AddressCache, Received[]> = {
  direction: 'read',
  name: 'serve',
  syscall: 'recvmsg',
  attempt: receiveFromAny,
};

const SERVE_WITH_ANCILLARY: IoCall<number, Received[]> = {
  direction: 'read',
  name: 'serveWithAncillary',
  syscall: 'recvmsg',
  attempt: receiveWithAncillary,
};

type Handle = (datagram: Received) => Awaitable<void>;

/** A bound datagram socket: UDP (addresses are InetAddress) or Unix (UnixPath). */
export class NativeDatagramListener<A extends InetAddress | UnixPath>
  extends NativeTransport
  implements AsyncDatagramListener<A>
{
  readonly #addresses = new AddressCache();
  readonly #sender: DatagramSender;
  readonly #serving = new Serving();
  /** Datagrams that were received when `serve` ended, and whose handlers had not begun. */
  #undelivered: Received[] = [];

  /** Takes ownership of the descriptor. @internal */
  constructor(
    backend: AsyncBackend,
    descriptor: Descriptor,
    socket: NativeSocket | null = null,
    onClose: (() => void) | null = null,
  ) {
    super(backend, descriptor, 'A datagram listener', socket, onClose);
    this.#sender = new DatagramSender(descriptor);
  }

  async serve(
    handler: (data: Uint8Array, address: A) => Awaitable<void>,
    group?: TaskGroup,
  ): Promise<never> {
    checkFunction('handler', handler);
    return this.#serve(group, SERVE, this.#addresses, ({ data, address }) =>
      handler(data, address as A),
    );
  }

  async serveWithAncillary(
    handler: (data: Uint8Array, ancillary: AncillaryData | null, address: A) => Awaitable<void>,
    ancillaryBufsize: number,
    group?: TaskGroup,
  ): Promise<never> {
    checkFunction('handler', handler);
    checkInteger('ancillaryBufsize', ancillaryBufsize, 0, 0x7fffffff);
    return this.#serve(
      group,
      SERVE_WITH_ANCILLARY,
      ancillaryBufsize,
      ({ data, ancillary = {}, address }) => handler(data, ancillary, address as A),
    );
  }

  sendTo(data: Bytes, address: A): Promise<void> {
    try {
      checkBytes('data', data);
      return this.#sender.send('sendTo', {
        data,
        to: this.#addresses.encode(address, 'sendto'),
        address,
        control: null,
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async sendWithAncillaryTo(data: Bytes, ancillary: AncillaryData, address: A): Promise<void> {
    checkBytes('data', data);
    const control = encodeAncillary(ancillary);
    return this.#sender.send('sendWithAncillaryTo', {
      data,
      to: this.#addresses.encode(address, 'sendmsg'),
      address,
      control,
    });
  }

  override closeNow(): void {
    super.closeNow();
    this.#undelivered = [];
    this.#sender.close();
  }

  protected override isSending(): boolean {
    return super.isSending() || this.#sender.isSending;
  }

  #serve<Argument>(
    group: TaskGroup | undefined,
    call: IoCall<Argument, Received[]>,
    argument: Argument,
    handle: Handle,
  ): Promise<never> {
    return this.#serving.run(this.backend(), group, (tasks) =>
      this.#receiveForever(tasks, call, argument, handle),
    );
  }

  async #receiveForever<Argument>(
    group: TaskGroup,
    call: IoCall<Argument, Received[]>,
    argument: Argument,
    handle: Handle,
  ): Promise<never> {
    const scope = currentScope();
    for (let pause = 0; ;) {
      try {
        this.#begin(await this.#next(call, argument), group, scope, handle);
        pause = 0;
      } catch (error) {
        if (!isPassing(error)) throw error;
        const { code, message } = error;
        process.emitWarning(`Unrelated error occurred on datagram reception: ${message}`, {
          type: 'SockscopeWarning',
          code: 'SOCKSCOPE_RECEIVE',
          detail: code,
        });
        // The first pause is one turn. An error that does not go away (ENOMEM) must not keep the
        // processor busy, nor fill the log.
        await this.backend().sleep(pause);
        pause = Math.min(2 * pause + 1, LONGEST_PAUSE_MS);
      }
    }
  }

  /** A checkpoint: the datagrams that an earlier `serve` has left, else the next ones. */
  #next<Argument>(
    call: IoCall<Argument, Received[]>,
    argument: Argument,
  ): Promise<readonly Received[]> {
    const { descriptor } = this;
    return this.#undelivered.length === 0
      ? perform(descriptor, call, argument)
      : performNothing(descriptor, call, this.#undelivered);
  }

  /** Starts a task for each datagram. */
  #begin(
    received: readonly Received[],
    group: TaskGroup,
    scope: WaitScope | undefined,
    handle: Handle,
  ): void {
    this.#undelivered = [];
    let begun = 0;
    try {
      for (const datagram of received) {
        // The handlers of one step begin one after another, and one of them may end the serving.
        // The datagrams after it are left to the next `serve`, except those with control messages:
        // their fds would have no owner until then.
        group.startSoon(() => {
          if (!isCancelled(scope) || datagram.ancillary !== undefined) return handle(datagram);
          this.#undelivered.push(datagram);
          return undefined;
        });
        begun++;
      }
    } catch (error) {
      for (const datagram of received.slice(begun)) {
        if (datagram.ancillary === undefined) this.#undelivered.push(datagram);
        else closeReceivedFds(datagram.ancillary);
      }
      throw error;
    }
  }
}

/**
 * Whether a receive failed for a reason that passes: mostly the error of an earlier send, which the
 * kernel kept for the next call. Only the end of the socket itself does not pass.
 */
function isPassing(error: unknown): error is SystemError {
  const { errno, syscall } = error as Partial<SystemError>;
  return (
    typeof errno === 'number' &&
    (syscall === 'recvmsg' || syscall === 'recvmmsg' || syscall === 'recv') &&
    errno !== EBADF &&
    errno !== ENOTSOCK
  );
}

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
import type { TaskLimit } from '../../concurrency/task-limit';
import { Serving } from '../../networking/serving';
import { AddressCache } from '../../socket/address-cache';
import { closeReceivedFds, encodeAncillary } from '../../socket/ancillary';
import type { Descriptor } from '../../socket/descriptor';
import { type IoCall, perform, performNothing } from '../../socket/io-operation';
import type { NativeSocket } from '../../socket/socket';
import { currentScope } from '../../waiting/context';
import { isCancelled } from '../../waiting/operation';
import { warn } from '../../waiting/warn';
import { type Received, receiveFromAny, receiveWithAncillary } from './datagram-receive';
import { DatagramSender } from './datagram-sender';
import { waitForRoom } from './room-wait';
import { NativeTransport } from './transport';
import type { WaitScope } from '../../waiting/wait-scope';

/** The longest pause of a listener after an error that keeps coming back. */
const LONGEST_PAUSE_MS = 100;

/** What decodes the addresses of a receive, and what bounds the datagrams that it takes. */
interface Receiving {
  readonly addresses: AddressCache;
  readonly limit: TaskLimit;
}

const SERVE: IoCall<Receiving, Received[]> = {
  direction: 'read',
  name: 'serve',
  syscall: 'recvmsg',
  attempt: (descriptor, { addresses, limit }) => receiveFromAny(descriptor, addresses, limit.room),
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
  readonly #serving = Serving.ofDatagrams();
  readonly #receiving = { addresses: this.#addresses, limit: this.#serving.limit };

  /** Datagrams that were received when `serve` ended, and whose handlers had not begun. */
  #undelivered: Received[] = [];
  /** How many of them, from the first one on, the last step has put back. */
  #putBack = 0;

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

  get maxConcurrentHandlers(): number {
    return this.#serving.limit.max;
  }

  set maxConcurrentHandlers(max: number) {
    this.#serving.setMaxHandlers(max);
  }

  async serve(
    handler: (data: Uint8Array, address: A) => Awaitable<void>,
    group?: TaskGroup,
  ): Promise<never> {
    checkFunction('handler', handler);
    return this.#serve(group, SERVE, this.#receiving, ({ data, address }) =>
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
    const { limit } = this.#serving;
    const start = this.#serving.starterIn(group);
    for (let pause = 0; ;) {
      try {
        while (limit.isFull) await waitForRoom(this.descriptor, limit);
        this.#begin(await this.#next(call, argument, limit.room), start, scope, handle);
        pause = 0;
      } catch (error) {
        if (!isPassing(error)) throw error;
        const { code, message } = error;
        warn(`Unrelated error occurred on datagram reception: ${message}`, {
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

  /** A checkpoint: up to `most` datagrams that an earlier `serve` has left, else the next ones. */
  #next<Argument>(
    call: IoCall<Argument, Received[]>,
    argument: Argument,
    most: number,
  ): Promise<readonly Received[]> {
    const { descriptor } = this;
    return this.#undelivered.length === 0
      ? perform(descriptor, call, argument)
      : performNothing(descriptor, call, this.#undelivered.slice(0, most));
  }

  /** Starts a task for each datagram. */
  #begin(
    received: readonly Received[],
    start: (begin: () => Awaitable<unknown>) => void,
    scope: WaitScope | undefined,
    handle: Handle,
  ): void {
    if (this.#undelivered.length > 0) this.#undelivered = this.#undelivered.slice(received.length);
    this.#putBack = 0;
    let begun = 0;
    try {
      for (const datagram of received) {
        // The handlers of one step begin one after another, and one of them may end the serving.
        // The datagrams after it are left to the next `serve`, except those with control messages:
        // their fds would have no owner until then.
        start(() => {
          if (!isCancelled(scope) || datagram.ancillary !== undefined) return handle(datagram);
          this.#undelivered.splice(this.#putBack++, 0, datagram);
          return undefined;
        });
        begun++;
      }
    } catch (error) {
      const others = received.slice(begun);
      for (const { ancillary } of others) if (ancillary !== undefined) closeReceivedFds(ancillary);
      // Behind those that have begun and may still be put back.
      const left = others.filter(({ ancillary }) => ancillary === undefined);
      this.#undelivered.splice(this.#putBack, 0, ...left);
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

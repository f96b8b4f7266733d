import type { Socket } from 'node:dgram';
import { checkBytes } from '../../arguments/buffers';
import { checkFunction } from '../../arguments/validate';
import type { InetAddress } from '../../contract/addresses';
import type { TypedAttribute } from '../../contract/attributes';
import type { AsyncBackend } from '../../contract/backend';
import type { Bytes } from '../../contract/bytes';
import type { AsyncDatagramListener } from '../../contract/listeners';
import type { Awaitable, TaskGroup } from '../../contract/tasks';
import { Serving } from '../../networking/serving';
import { type AttributeGetters, SocketAttribute } from '../../transports/attributes';
import { currentScope } from '../../waiting/context';
import { cancelled, isCancelled, rejected } from '../../waiting/operation';
import { warn } from '../../waiting/warn';
import { checkInetAddress, inetAddress } from './address';
import { closerOf, DatagramPort, type PortOwner } from './datagram-port';
import { AF_INET, AF_INET6, noAncillary } from './platform';
import { NodeTransport } from './transport';
import { closeWhenCollected } from './unclosed';

/**
 * A bound dgram.Socket. A send that has begun cannot be cancelled. It ends at once, or as soon as
 * the network takes the datagram.
 */
export class NodeDatagramListener
  extends NodeTransport
  implements AsyncDatagramListener<InetAddress>, PortOwner
{
  readonly #port: DatagramPort;
  readonly #serving = Serving.ofDatagrams();

  /** Takes ownership of a bound socket. @internal */
  constructor(backend: AsyncBackend, socket: Socket) {
    super(backend, {
      kind: 'datagram listener',
      isReady: () => this.#port.hasWaiting && !this.#serving.limit.isFull,
      wanted: () => undefined,
    });
    this.#serving.limit.onChange = () => {
      this.serveReader();
    };
    this.#port = new DatagramPort(socket, this.link);
    closeWhenCollected(this, 'A datagram listener', closerOf(this.#port));
  }

  get maxConcurrentHandlers(): number {
    return this.#serving.limit.max;
  }

  set maxConcurrentHandlers(max: number) {
    this.#serving.setMaxHandlers(max);
  }

  /** Datagrams that were dropped because too many waited for a handler. @internal */
  get droppedCount(): number {
    return this.#port.droppedCount;
  }

  async serve(
    handler: (data: Uint8Array, address: InetAddress) => Awaitable<void>,
    group?: TaskGroup,
  ): Promise<never> {
    checkFunction('handler', handler);
    return this.#serving.run(this.backend(), group, (tasks) =>
      this.#receiveForever(handler, tasks),
    );
  }

  /** Rejects with UnsupportedOperationError. No checkpoint. */
  serveWithAncillary(): Promise<never> {
    return noAncillary('serveWithAncillary');
  }

  /** Not an async function, which would add a promise and three microtasks to each datagram. */
  sendTo(data: Bytes, address: InetAddress): Promise<void> {
    try {
      checkBytes('data', data);
      checkInetAddress(address);
    } catch (error) {
      return Promise.reject(error);
    }
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    const usageError = this.closedError('sendTo');
    return usageError === null ? this.#port.send(data, address) : rejected(usageError);
  }

  /** Rejects with UnsupportedOperationError. No checkpoint. */
  sendWithAncillaryTo(): Promise<void> {
    return noAncillary('sendWithAncillaryTo');
  }

  /** @internal */
  messageArrived(): void {
    this.serveReader();
  }

  /** @internal */
  errorArrived({ message, code }: NodeJS.ErrnoException): void {
    const detail = code === undefined ? {} : { detail: code };
    warn(`Unrelated error occurred on datagram reception: ${message}`, {
      code: 'SOCKSCOPE_RECEIVE',
      ...detail,
    });
  }

  /** @internal */
  lastSendEnded(): void {
    this.sendEnded();
  }

  protected override destroy(): void {
    this.#port.close();
  }

  protected override isSending(): boolean {
    return this.#port.isSending;
  }

  protected override attributes(): AttributeGetters {
    const { socket } = this.#port;
    return new Map<TypedAttribute<unknown>, () => unknown>([
      [SocketAttribute.family, () => (socket.address().family === 'IPv6' ? AF_INET6 : AF_INET)],
      [
        SocketAttribute.localAddress,
        () => inetAddress(socket.address().address, socket.address().port),
      ],
    ]);
  }

  async #receiveForever(
    handler: (data: Uint8Array, address: InetAddress) => Awaitable<void>,
    group: TaskGroup,
  ): Promise<never> {
    const start = this.#serving.starterIn(group);
    const { limit } = this.#serving;
    const port = this.#port;
    for (;;) {
      await this.receive('serve', () => undefined);
      // Tasks are started here, not in the 'message' event: a task begins in the context of the
      // code that starts it.
      for (let next = port.first(); next !== undefined && !limit.isFull; next = port.first()) {
        const { data, address } = next;
        start(() => handler(data, address));
        // After `start`: if the group accepts no task, the datagram stays.
        port.take();
      }
    }
  }
}

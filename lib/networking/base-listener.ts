import type { AncillaryData } from '../contract/ancillary';
import type { AsyncBackend } from '../contract/backend';
import type { Bytes } from '../contract/bytes';
import type { AsyncDatagramListener, AsyncListener, ServeOptions } from '../contract/listeners';
import type { Awaitable, TaskGroup } from '../contract/tasks';
import { checkFunction } from '../arguments/validate';
import { acloseForcefully } from '../transports/aclose-forcefully';
import { noAncillary } from '../transports/base-defaults';
import { BaseTransport } from '../transports/base-transport';
import { Serving } from './serving';

/**
 * The base of custom listeners: a subclass writes `accept`, and closes by `close`. `serve` starts
 * the handler of each transport that `accept` gives, and calls `accept` only while another handler
 * may run (`maxConnections`).
 *
 * @example
 * class Once extends BaseListener {
 *   constructor(transport) {
 *     super(transport.backend());
 *     this.transport = transport;
 *   }
 *   async accept() {
 *     const { transport } = this;
 *     this.transport = null;
 *     return transport ?? this.backend().sleepForever();
 *   }
 * }
 * const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
 * const { port } = listener.extra(SocketAttribute.localAddress);
 * const once = new Once(await backend.createTcpConnection('127.0.0.1', port));
 * const scope = backend.openCancelScope();
 * await scope.run(() =>
 *   once.serve(
 *     (transport) => {
 *       console.log(transport.extra(SocketAttribute.remoteAddress).port === port); // → true
 *       scope.cancel();
 *     },
 *     { closeAfter: true, onPeerError: 'ignore' },
 *   ),
 * );
 * await listener.aclose();
 */
export abstract class BaseListener<T extends { aclose(): Promise<void>; backend(): AsyncBackend }>
  extends BaseTransport
  implements AsyncListener<T>
{
  readonly #serving = new Serving();

  /** Each transport that `accept` gave and that no handler took is closed. */
  async serve(
    handler: (transport: T) => Awaitable<void>,
    options?: TaskGroup | ServeOptions<T>,
  ): Promise<never> {
    checkFunction('handler', handler);
    const serving = this.#serving;
    return serving.runConnections(
      this.backend(),
      handler,
      options,
      acloseForcefully,
      async (begin) => {
        for (;;) {
          if (serving.limit.isFull) await serving.waitForRoom(this);
          const transport = await this.accept();
          try {
            begin(transport);
          } catch (error) {
            await acloseForcefully(transport);
            throw error;
          }
        }
      },
    );
  }

  override aclose(): Promise<void> {
    const closing = super.aclose();
    this.#serving.wake();
    return closing;
  }

  /**
   * Waits for the next transport: a checkpoint. Cancelled, it has taken none. Rejects with
   * ClosedResourceError once the listener is closed. What it rejects with ends `serve`.
   */
  protected abstract accept(): Promise<T>;
}

/**
 * The base of custom datagram listeners: a subclass writes `receive` and `sendTo`, and closes by
 * `close`. `serve` starts the handler of each datagram that `receive` gives, and calls `receive`
 * only while another handler may run (`maxConcurrentHandlers`). Control messages are an
 * UnsupportedOperationError.
 */
export abstract class BaseDatagramListener<A>
  extends BaseTransport
  implements AsyncDatagramListener<A>
{
  readonly #serving = Serving.ofDatagrams();
  /** A datagram that a group did not take: the next `serve` begins with it. */
  #kept: { readonly data: Uint8Array; readonly address: A } | null = null;

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
    const serving = this.#serving;
    return serving.run(this.backend(), group, async (tasks) => {
      const start = serving.starterIn(tasks);
      for (;;) {
        if (serving.limit.isFull) await serving.waitForRoom(this);
        this.#kept ??= await this.receive();
        const { data, address } = this.#kept;
        start(() => handler(data, address));
        this.#kept = null;
      }
    });
  }

  override aclose(): Promise<void> {
    const closing = super.aclose();
    this.#serving.wake();
    return closing;
  }

  abstract sendTo(data: Bytes, address: A): Promise<void>;

  /** Rejects with UnsupportedOperationError. No checkpoint. */
  serveWithAncillary(
    _handler: (data: Uint8Array, ancillary: AncillaryData | null, address: A) => Awaitable<void>,
    _ancillaryBufsize: number,
    _group?: TaskGroup,
  ): Promise<never> {
    return noAncillary('serveWithAncillary');
  }

  /** Rejects with UnsupportedOperationError. No checkpoint. */
  sendWithAncillaryTo(_data: Bytes, _ancillary: AncillaryData, _address: A): Promise<void> {
    return noAncillary('sendWithAncillaryTo');
  }

  /**
   * Waits for the next datagram: a checkpoint. Cancelled, it has taken none. Rejects with
   * ClosedResourceError once the listener is closed. What it rejects with ends `serve`.
   */
  protected abstract receive(): Promise<{ readonly data: Uint8Array; readonly address: A }>;
}

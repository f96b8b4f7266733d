import type { AncillaryData } from '../contract/ancillary';
import type { AsyncBackend } from '../contract/backend';
import type { Bytes } from '../contract/bytes';
import type { AsyncDatagramListener, AsyncListener } from '../contract/listeners';
import type { Awaitable, TaskGroup } from '../contract/tasks';
import { checkFunction } from '../arguments/validate';
import { acloseForcefully } from '../transports/aclose-forcefully';
import { noAncillary } from '../transports/base-defaults';
import { BaseTransport } from '../transports/base-transport';
import { Serving } from './serving';

/**
 * The base of custom listeners: a subclass writes `accept`, and closes by `close`. `serve` starts
 * the handler of each transport that `accept` gives.
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
 *   once.serve(async (transport) => {
 *     console.log(transport.extra(SocketAttribute.remoteAddress).port === port); // → true
 *     await transport.aclose();
 *     scope.cancel();
 *   }),
 * );
 * await listener.aclose();
 */
export abstract class BaseListener<T extends { aclose(): Promise<void>; backend(): AsyncBackend }>
  extends BaseTransport
  implements AsyncListener<T>
{
  readonly #serving = new Serving();

  /** Each transport that `accept` gave and that no handler took is closed. */
  async serve(handler: (transport: T) => Awaitable<void>, group?: TaskGroup): Promise<never> {
    checkFunction('handler', handler);
    return this.#serving.run(this.backend(), group, async (tasks) => {
      for (;;) {
        const transport = await this.accept();
        try {
          tasks.startSoon(() => handleOwned(handler, transport));
        } catch (error) {
          await acloseForcefully(transport);
          throw error;
        }
      }
    });
  }

  /**
   * Waits for the next transport: a checkpoint. Cancelled, it has taken none. Rejects with
   * ClosedResourceError once the listener is closed. What it rejects with ends `serve`.
   */
  protected abstract accept(): Promise<T>;
}

/**
 * The base of custom datagram listeners: a subclass writes `receive` and `sendTo`, and closes by
 * `close`. `serve` starts the handler of each datagram that `receive` gives. Control messages are
 * an UnsupportedOperationError.
 */
export abstract class BaseDatagramListener<A>
  extends BaseTransport
  implements AsyncDatagramListener<A>
{
  readonly #serving = new Serving();
  /** A datagram that a group did not take: the next `serve` begins with it. */
  #kept: { readonly data: Uint8Array; readonly address: A } | null = null;

  async serve(
    handler: (data: Uint8Array, address: A) => Awaitable<void>,
    group?: TaskGroup,
  ): Promise<never> {
    checkFunction('handler', handler);
    return this.#serving.run(this.backend(), group, async (tasks) => {
      for (;;) {
        this.#kept ??= await this.receive();
        const { data, address } = this.#kept;
        tasks.startSoon(() => handler(data, address));
        this.#kept = null;
      }
    });
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

/** The handler owns its transport; if it fails or is cancelled, the transport is closed. */
async function handleOwned<T extends { aclose(): Promise<void>; backend(): AsyncBackend }>(
  handler: (transport: T) => Awaitable<void>,
  transport: T,
): Promise<void> {
  try {
    await handler(transport);
  } catch (error) {
    await acloseForcefully(transport);
    throw error;
  }
}

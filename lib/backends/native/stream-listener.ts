import { checkFunction } from '../../arguments/validate';
import type { AsyncBackend } from '../../contract/backend';
import type { AsyncListener, ServeOptions } from '../../contract/listeners';
import type { Awaitable, TaskGroup } from '../../contract/tasks';
import type { AsyncStreamTransport } from '../../contract/transports';
import { AcceptWarning } from '../../networking/accept-warning';
import { disposeNow } from '../../networking/connection-handler';
import { Serving } from '../../networking/serving';
import { Descriptor } from '../../socket/descriptor';
import type { NativeSocket } from '../../socket/socket';
import { accept } from './accept';
import { waitForRoom } from './room-wait';
import { NativeStreamTransport } from './stream-transport';
import { NativeTransport } from './transport';

/** A listening stream socket: TCP or Unix. */
export class NativeStreamListener
  extends NativeTransport
  implements AsyncListener<AsyncStreamTransport>
{
  readonly #serving = new Serving();
  readonly #warning = new AcceptWarning();

  /** Takes ownership of the descriptor. @internal */
  constructor(
    backend: AsyncBackend,
    descriptor: Descriptor,
    socket: NativeSocket | null = null,
    onClose: (() => void) | null = null,
  ) {
    super(backend, descriptor, 'A stream listener', socket, onClose);
  }

  async serve(
    handler: (transport: AsyncStreamTransport) => Awaitable<void>,
    options?: TaskGroup | ServeOptions<AsyncStreamTransport>,
  ): Promise<never> {
    checkFunction('handler', handler);
    return this.#serving.runConnections<AsyncStreamTransport & Disposable>(
      this.backend(),
      handler,
      options,
      disposeNow,
      (begin) => this.#acceptForever(begin),
    );
  }

  async #acceptForever(
    begin: (transport: AsyncStreamTransport & Disposable) => void,
  ): Promise<never> {
    const { descriptor } = this;
    const { limit } = this.#serving;
    for (;;) {
      while (limit.isFull) await waitForRoom(descriptor, limit);
      const fds = await accept(descriptor, this.#warning, limit.room);
      for (let i = 0; i < fds.length; i++) {
        try {
          this.#begin(new Descriptor(fds[i] as number, descriptor.type), begin);
        } catch (error) {
          // The group accepts no more tasks, so the other connections will have no owner.
          for (const fd of fds.slice(i + 1)) descriptor.reactor.native.close(fd);
          throw error;
        }
      }
    }
  }

  #begin(
    connection: Descriptor,
    begin: (transport: AsyncStreamTransport & Disposable) => void,
  ): void {
    const transport = new NativeStreamTransport(this.backend(), connection);
    try {
      begin(transport);
    } catch (error) {
      transport.closeNow();
      throw error;
    }
  }
}

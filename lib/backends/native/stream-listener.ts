import { checkFunction } from '../../arguments/validate';
import type { AsyncBackend } from '../../contract/backend';
import type { AsyncListener } from '../../contract/listeners';
import type { Awaitable, TaskGroup } from '../../contract/tasks';
import type { AsyncStreamTransport } from '../../contract/transports';
import { Serving, startHandler } from '../../networking/serving';
import { Descriptor } from '../../socket/descriptor';
import type { NativeSocket } from '../../socket/socket';
import { accept } from './accept';
import { NativeStreamTransport } from './stream-transport';
import { NativeTransport } from './transport';

/** A listening stream socket: TCP or Unix. */
export class NativeStreamListener
  extends NativeTransport
  implements AsyncListener<AsyncStreamTransport>
{
  readonly #serving = new Serving();

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
    group?: TaskGroup,
  ): Promise<never> {
    checkFunction('handler', handler);
    return this.#serving.run(this.backend(), group, (tasks) => this.#acceptForever(handler, tasks));
  }

  async #acceptForever(
    handler: (transport: AsyncStreamTransport) => Awaitable<void>,
    group: TaskGroup,
  ): Promise<never> {
    const { descriptor } = this;
    for (;;) {
      const fds = await accept(descriptor);
      for (let i = 0; i < fds.length; i++) {
        try {
          this.#begin(new Descriptor(fds[i] as number, descriptor.type), handler, group);
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
    handler: (transport: AsyncStreamTransport) => Awaitable<void>,
    group: TaskGroup,
  ): void {
    const transport = new NativeStreamTransport(this.backend(), connection);
    try {
      startHandler(group, handler, transport);
    } catch (error) {
      transport.closeNow();
      throw error;
    }
  }
}

import type { AsyncBackend } from '../backends/async-backend';
import type { Awaitable } from '../concurrency/awaitable';
import type { TaskGroup } from '../concurrency/task-group';
import { checkFunction } from '../internal/validate';
import { Descriptor } from '../socket/descriptor';
import type { Socket } from '../socket/socket';
import { SocketTransport } from '../transports/socket-transport';
import { StreamSocketTransport } from '../transports/stream-socket-transport';
import type { AsyncStreamTransport } from '../transports/transport';
import { accept } from './accept';
import type { AsyncListener } from './listener';
import { Serving, startHandler } from './serving';

/** A listening stream socket: TCP or Unix. */
export class StreamSocketListener
  extends SocketTransport
  implements AsyncListener<AsyncStreamTransport>
{
  readonly #serving = new Serving();

  /** Takes the descriptor over. @internal */
  constructor(
    backend: AsyncBackend,
    descriptor: Descriptor,
    socket: Socket | null = null,
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
          this.#begin(new Descriptor(fds[i] as number, descriptor.kind), handler, group);
        } catch (error) {
          // The group takes no more tasks: nobody will own what was accepted.
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
    const transport = new StreamSocketTransport(this.backend(), connection);
    try {
      startHandler(group, handler, transport);
    } catch (error) {
      transport.closeNow();
      throw error;
    }
  }
}

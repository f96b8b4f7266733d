import type { Server, Socket } from 'node:net';
import { checkFunction } from '../../arguments/validate';
import type { AsyncBackend } from '../../contract/backend';
import type { AsyncListener } from '../../contract/listeners';
import type { Awaitable, TaskGroup } from '../../contract/tasks';
import type { AsyncStreamTransport } from '../../contract/transports';
import { Serving, startHandler } from '../../networking/serving';
import type { AttributeGetters } from '../../transports/attributes';
import { NodeStreamTransport } from './stream-transport';
import { NodeTransport } from './transport';

/** What the listeners of TCP and of Unix sockets do differently. */
export interface ListenerKind {
  readonly attributes: AttributeGetters;
  readonly attributesOf: (connection: Socket) => AttributeGetters;
  /** Connections that may wait for `serve`. Further ones are closed. */
  readonly backlog: number;
  readonly close: (server: Server) => void;
}

/**
 * A listening net.Server: TCP, or Unix streams.
 *
 * A net.Server accepts by itself, also while no `serve` runs. The connections then wait here,
 * unread. At EMFILE, libuv accepts and closes connections without any report. Errors that the
 * net.Server does report become process warnings (`SOCKSCOPE_ACCEPT`).
 */
export class NodeStreamListener
  extends NodeTransport
  implements AsyncListener<AsyncStreamTransport>
{
  readonly #server: Server;
  readonly #kind: ListenerKind;
  readonly #waiting: NodeStreamTransport[];
  readonly #serving = new Serving();

  /** Takes ownership of a server whose connections are paused at first. @internal */
  constructor(backend: AsyncBackend, server: Server, kind: ListenerKind) {
    const waiting: NodeStreamTransport[] = [];
    super(backend, {
      kind: 'stream listener',
      isReady: () => waiting.length > 0,
      wanted: () => undefined,
    });
    this.#server = server;
    this.#kind = kind;
    this.#waiting = waiting;
    server.on('connection', (connection) => {
      this.#accepted(connection);
    });
    server.on('error', ({ message }) => {
      process.emitWarning(`The listener goes on after: ${message}`, {
        type: 'SockscopeWarning',
        code: 'SOCKSCOPE_ACCEPT',
      });
    });
  }

  async serve(
    handler: (transport: AsyncStreamTransport) => Awaitable<void>,
    group?: TaskGroup,
  ): Promise<never> {
    checkFunction('handler', handler);
    return this.#serving.run(this.backend(), group, (tasks) => this.#acceptForever(handler, tasks));
  }

  protected override destroy(): void {
    this.#kind.close(this.#server);
    for (const transport of this.#waiting.splice(0)) transport.closeNow();
  }

  protected override isSending(): boolean {
    return false;
  }

  protected override attributes(): AttributeGetters {
    return this.#kind.attributes;
  }

  #accepted(connection: Socket): void {
    if (this.isClosed || this.#waiting.length >= this.#kind.backlog) {
      connection.destroy();
      return;
    }
    this.#waiting.push(
      new NodeStreamTransport(this.backend(), connection, this.#kind.attributesOf(connection)),
    );
    this.serveReader();
  }

  async #acceptForever(
    handler: (transport: AsyncStreamTransport) => Awaitable<void>,
    group: TaskGroup,
  ): Promise<never> {
    for (;;) {
      await this.receive('serve', () => undefined);
      // Tasks are started here, not in the 'connection' event: a task begins in the context of the
      // code that starts it.
      for (let [transport] = this.#waiting; transport !== undefined; [transport] = this.#waiting) {
        startHandler(group, handler, transport);
        // After startHandler: if the group accepts no task, the connection stays.
        this.#waiting.shift();
      }
    }
  }
}

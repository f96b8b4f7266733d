import type { Server, Socket } from 'node:net';
import { checkFunction } from '../../arguments/validate';
import type { AsyncBackend } from '../../contract/backend';
import type { AsyncListener, ServeOptions } from '../../contract/listeners';
import type { Awaitable, TaskGroup } from '../../contract/tasks';
import type { AsyncStreamTransport } from '../../contract/transports';
import { AcceptWarning } from '../../networking/accept-warning';
import { disposeNow } from '../../networking/connection-handler';
import { Serving } from '../../networking/serving';
import type { AttributeGetters } from '../../transports/attributes';
import type { Link } from './link';
import { NodeStreamTransport } from './stream-transport';
import { NodeTransport } from './transport';
import { closeWhenCollected } from './unclosed';

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
 * unread, as do those beyond `maxConnections`. At EMFILE, libuv accepts and closes connections
 * without any report. Errors that the net.Server does report become process warnings
 * (`SOCKSCOPE_ACCEPT`), one a minute at most.
 */
export class NodeStreamListener
  extends NodeTransport
  implements AsyncListener<AsyncStreamTransport>
{
  readonly #server: Server;
  readonly #kind: ListenerKind;
  readonly #waiting: NodeStreamTransport[];
  readonly #serving: Serving;

  /** Takes ownership of a server whose connections are paused at first. @internal */
  constructor(backend: AsyncBackend, server: Server, kind: ListenerKind) {
    const waiting: NodeStreamTransport[] = [];
    const serving = new Serving();
    super(backend, {
      kind: 'stream listener',
      isReady: () => waiting.length > 0 && !serving.limit.isFull,
      wanted: () => undefined,
    });
    this.#serving = serving;
    serving.limit.onChange = () => {
      this.serveReader();
    };
    this.#server = server;
    this.#kind = kind;
    this.#waiting = waiting;
    NodeStreamListener.#listen(server, this.link);
    closeWhenCollected(this, 'A stream listener', closerOf(server, kind, waiting));
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

  protected override destroy(): void {
    closerOf(this.#server, this.#kind, this.#waiting)();
  }

  protected override isSending(): boolean {
    return false;
  }

  protected override attributes(): AttributeGetters {
    return this.#kind.attributes;
  }

  /** Static, so that the server does not refer to the listener. */
  static #listen(server: Server, link: Link<NodeStreamListener>): void {
    const warning = new AcceptWarning();
    server.on('connection', (connection) => {
      const listener = link.target;
      if (listener === undefined) connection.destroy();
      else listener.#accepted(connection);
    });
    server.on('error', ({ message }) => {
      warning.warn(`The listener goes on after: ${message}`);
    });
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
    begin: (transport: AsyncStreamTransport & Disposable) => void,
  ): Promise<never> {
    const waiting = this.#waiting;
    const { limit } = this.#serving;
    for (;;) {
      await this.receive('serve', () => undefined);
      // Tasks are started here, not in the 'connection' event: a task begins in the context of the
      // code that starts it.
      for (let [next] = waiting; next !== undefined && !limit.isFull; [next] = waiting) {
        begin(next);
        // After `begin`: if the group accepts no task, the connection stays.
        waiting.shift();
      }
    }
  }
}

/** Closes a server and the connections that wait for `serve`, without reference to a listener. */
function closerOf(server: Server, kind: ListenerKind, waiting: NodeStreamTransport[]): () => void {
  return () => {
    kind.close(server);
    for (const transport of waiting.splice(0)) transport.closeNow();
  };
}

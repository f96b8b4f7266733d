import { TaskGroup as LibraryGroup } from '../concurrency/task-group';
import { TaskLimit } from '../concurrency/task-limit';
import type { AsyncBackend } from '../contract/backend';
import type { ServeOptions } from '../contract/listeners';
import type { Awaitable, TaskGroup, TaskOptions } from '../contract/tasks';
import { BusyResourceError, ClosedResourceError } from '../errors';
import { currentScope } from '../waiting/context';
import { cancelled, inTurn, isCancelled, Operation } from '../waiting/operation';
import { connectionHandler, type Discard } from './connection-handler';
import { checkGroup, checkLimit, checkServeOptions } from './serve-options';

/** The default of `maxConcurrentHandlers`. */
const DEFAULT_HANDLERS = 1024;

/** Waits until a limit has room. */
class RoomWait extends Operation<void> {
  readonly #limit: TaskLimit;

  constructor(limit: TaskLimit) {
    super();
    this.#limit = limit;
    limit.onChange = () => {
      limit.onChange = null;
      this.settle();
    };
  }

  describe(): string {
    return `serve, at its limit of ${this.#limit.max} running handlers`;
  }

  protected withdraw(): void {
    this.#limit.onChange = null;
  }
}

/** Lets a listener serve once at a time, and bounds and starts its handlers. */
export class Serving {
  /**
   * Handlers that run. Those of connections are counted only where `maxConnections` bounds them.
   */
  readonly limit: TaskLimit;
  #isUnderWay = false;

  constructor(max = Infinity) {
    this.limit = new TaskLimit(max);
  }

  /** For a listener of datagrams. */
  static ofDatagrams(): Serving {
    return new Serving(DEFAULT_HANDLERS);
  }

  /** Sets `maxConcurrentHandlers`. @throws TypeError or RangeError */
  setMaxHandlers(max: number): void {
    checkLimit('maxConcurrentHandlers', max);
    this.limit.max = max;
  }

  /**
   * Runs `loop`, which starts handlers in `group`. Without a group, it makes one for this call, and
   * ends only when the handlers have ended.
   * @throws BusyResourceError if a loop is running already; TypeError if `group` is no task group
   */
  run(
    backend: AsyncBackend,
    group: TaskGroup | undefined,
    loop: (tasks: TaskGroup) => Promise<never>,
  ): Promise<never> {
    return inTurn(this.#run(backend, group, loop));
  }

  async #run(
    backend: AsyncBackend,
    group: TaskGroup | undefined,
    loop: (tasks: TaskGroup) => Promise<never>,
  ): Promise<never> {
    checkGroup('group', group);
    if (this.#isUnderWay)
      throw new BusyResourceError('serve() called while the listener is serving already');
    this.#isUnderWay = true;
    try {
      if (group !== undefined) return await loop(group);
      // It could resolve to undefined only if the scope of this group were cancelled, and no other
      // code can reach that scope.
      return await (backend.createTaskGroup().run(loop) as Promise<never>);
    } finally {
      this.#isUnderWay = false;
    }
  }

  /**
   * As `run`, for connections: `loop` gives each one to `begin`, and accepts none while `limit` is
   * full.
   *
   * @param given the second argument of `serve`
   * @throws TypeError or RangeError for options of the wrong kind, too
   */
  async runConnections<T extends { aclose(): Promise<void> }>(
    backend: AsyncBackend,
    handler: (transport: T) => Awaitable<void>,
    given: TaskGroup | ServeOptions<T> | undefined,
    discard: Discard<T>,
    loop: (begin: (transport: T) => void) => Promise<never>,
  ): Promise<never> {
    const options = checkServeOptions(given);
    const { limit } = this;
    const start = connectionHandler(handler, options, discard, limit);
    return this.run(backend, options.group, (tasks) => {
      limit.max = options.maxConnections;
      return loop((transport) => {
        start(tasks, transport);
      });
    });
  }

  /**
   * For datagrams: makes what starts a handler as a task that occupies a place of the limit. It
   * throws what `startSoon` throws, and then has taken no place.
   */
  starterIn(group: TaskGroup): (begin: () => Awaitable<unknown>) => void {
    const { limit } = this;
    // One for all datagrams, and no promise around a handler: a group of this library knows when
    // its tasks end.
    const options: TaskOptions = { owns: limit };
    const knowsEnds = group instanceof LibraryGroup && group.startSoon === startSoonOfLibrary;
    return (begin) => {
      if (knowsEnds) group.startSoon(begin, options);
      else group.startSoon(() => releaseAfter(limit, begin));
      limit.take();
    };
  }

  /** A checkpoint: waits until the limit has room. Rejects if `listener` closes meanwhile. */
  async waitForRoom(listener: { isClosing(): boolean }): Promise<void> {
    while (this.limit.isFull) {
      if (listener.isClosing())
        throw new ClosedResourceError('The listener was closed while it was serving');
      const scope = currentScope();
      await (isCancelled(scope) ? cancelled(scope) : new RoomWait(this.limit).enter(scope).promise);
    }
  }

  /** The listener has been closed: a loop that waits for room finds out. */
  wake(): void {
    this.limit.onChange?.();
  }
}

// eslint-disable-next-line @typescript-eslint/unbound-method -- only to be compared
const startSoonOfLibrary = LibraryGroup.prototype.startSoon;

/** For a custom group. */
async function releaseAfter(limit: TaskLimit, begin: () => Awaitable<unknown>): Promise<void> {
  try {
    await begin();
  } finally {
    limit.release();
  }
}

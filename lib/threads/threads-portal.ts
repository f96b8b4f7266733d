import type { Awaitable, Task, TaskGroup } from '../contract/tasks';
import type * as contract from '../contract/threads';
import type { PortalFunctions } from '../contract/threads';
import { AsyncLocalStorage } from 'node:async_hooks';
import { types } from 'node:util';
import { MessageChannel, type MessagePort, threadId } from 'node:worker_threads';
import type { Concurrency } from '../contract/concurrency';
import { isCancellation } from '../concurrency/cancellation';
import { InvalidStateError } from '../errors';
import { checkFunction, invalidArgument } from '../arguments/validate';
import { outsideOfTasks } from '../waiting/context';
import { warn } from '../waiting/warn';
import { encodeThrown, textOf } from './error-codec';
import {
  CLOSED,
  CLOSING,
  isRequest,
  NOT_OPEN,
  OPEN,
  type OwnPortalHandle,
  type PortalReply,
  type PortalRequest,
  PROTOCOL,
  REPLIES,
  STATE,
  takeMessages,
  warnOfStray,
} from './portal-protocol';

type CallRequest = Extract<PortalRequest, { type: 'call' }>;

/** The portal's end of the connection to one other thread. */
class Connection {
  readonly port: MessagePort;
  readonly signals: Int32Array;
  /** Pending coroutine calls. `task` is null until the task has begun. */
  readonly calls = new Map<number, { task: Task<unknown> | null; isCancelled: boolean }>();
  hasWarned = false;

  constructor(port: MessagePort, signals: Int32Array) {
    this.port = port;
    this.signals = signals;
  }

  /** Posts a reply, and wakes the thread if it is blocked. */
  reply(reply: PortalReply): void {
    try {
      this.port.postMessage(reply);
    } catch (error) {
      // The value cannot be cloned. The caller gets the DataCloneError.
      this.port.postMessage({
        id: reply.id,
        status: 'thrown',
        thrown: encodeThrown(error),
      } satisfies PortalReply);
    }
    Atomics.add(this.signals, REPLIES, 1);
    Atomics.notify(this.signals, REPLIES);
  }

  setState(state: number): void {
    Atomics.store(this.signals, STATE, state);
    Atomics.add(this.signals, REPLIES, 1);
    Atomics.notify(this.signals, REPLIES);
  }
}

/** The portal of `createThreadsPortal`. */
export class ThreadsPortal<F extends PortalFunctions> implements contract.ThreadsPortal<F> {
  readonly functions: F;
  readonly #backend: Concurrency;
  readonly #connections = new Set<Connection>();
  #state = NOT_OPEN;
  #group: TaskGroup | null = null;
  /** Enters the context of the task that runs the portal: messages arrive outside of any task. */
  #inContext: (<R>(fn: () => R) => R) | null = null;

  /** @internal */
  constructor(backend: Concurrency, functions: F) {
    if (typeof functions !== 'object' || (functions as unknown) === null)
      throw invalidArgument('functions', 'an object of functions', functions);
    for (const [name, fn] of Object.entries(functions)) checkFunction(`functions.${name}`, fn);
    this.#backend = backend;
    this.functions = { ...functions };
  }

  async run<R>(body: (portal: this) => Awaitable<R>): Promise<R> {
    checkFunction('body', body);
    if (this.#state !== NOT_OPEN)
      throw new InvalidStateError('ThreadsPortal entered twice: make a new one for each run');
    const group = this.#backend.createTaskGroup();
    try {
      // No other code can cancel the group's own scope: `run` never resolves to undefined for it.
      return (await group.run(async () => {
        this.#group = group;
        this.#inContext = AsyncLocalStorage.snapshot();
        this.#setState(OPEN);
        try {
          return await body(this);
        } finally {
          this.#setState(CLOSING);
        }
      })) as R;
    } finally {
      for (const connection of this.#connections) this.#answerTheLast(connection);
      this.#setState(CLOSED);
      // The portal may live on: it must not keep the context of the task that ran it in memory.
      this.#group = null;
      this.#inContext = null;
      for (const { port } of this.#connections) port.close();
    }
  }

  handle(): OwnPortalHandle {
    if (this.#state >= CLOSING)
      throw new InvalidStateError('ThreadsPortal not running: it has closed');
    // Calls arrive outside of any task, no matter which task made the handle.
    const { port1, port2 } = outsideOfTasks(() => new MessageChannel());
    const signals = new SharedArrayBuffer(8);
    const connection = new Connection(port1, new Int32Array(signals));
    connection.setState(this.#state);
    this.#connections.add(connection);
    port1.on('message', (message: unknown) => {
      this.#receive(connection, message);
    });
    port1.on('messageerror', () => {
      connection.reply({ id: 0, status: 'unread' });
    });
    // The other thread has ended, or was terminated: no caller waits for its calls any more.
    port1.once('close', () => {
      this.#connections.delete(connection);
      for (const call of connection.calls.values()) cancelCall(call);
    });
    // The body of a portal keeps the process alive, not its ports.
    port1.unref();
    return { port: port2, signals, threadId, protocol: PROTOCOL };
  }

  #setState(state: number): void {
    if (this.#state === state) return;
    this.#state = state;
    for (const connection of this.#connections) connection.setState(state);
  }

  /** Replies to calls that were posted before the other thread saw that the portal is closing. */
  #answerTheLast(connection: Connection): void {
    takeMessages(
      connection.port,
      (message) => {
        this.#receive(connection, message);
      },
      () => {
        connection.reply({ id: 0, status: 'unread' });
      },
    );
  }

  #receive(connection: Connection, request: unknown): void {
    if (!isRequest(request) || (request.type === 'call' && connection.calls.has(request.id))) {
      if (!connection.hasWarned) warnOfStray();
      connection.hasWarned = true;
      return;
    }
    if (request.type === 'ping') return;
    if (request.type === 'cancel') {
      const call = connection.calls.get(request.id);
      if (call !== undefined) cancelCall(call);
      return;
    }
    if (request.type === 'unread') {
      for (const id of request.ids)
        if (!connection.calls.has(id)) connection.reply({ id, status: 'lost' });
      return;
    }
    const { id, name, mode } = request;
    if (this.#state !== OPEN) {
      connection.reply({ id, status: 'closed' });
      return;
    }
    const fn = Object.hasOwn(this.functions, name) ? this.functions[name] : undefined;
    if (fn === undefined) {
      connection.reply({
        id,
        status: 'thrown',
        thrown: encodeThrown(new TypeError(`The portal has no function "${name}"`)),
      });
    } else if (mode === 'sync') {
      this.#enter(() => {
        callSync(connection, request, fn);
      });
    } else {
      this.#enter(() => {
        this.#startCoroutine(connection, request, fn);
      });
    }
  }

  #enter(fn: () => void): void {
    this.#inContext?.(fn);
  }

  #startCoroutine(
    connection: Connection,
    { id, name, args }: CallRequest,
    fn: (...args: unknown[]) => unknown,
  ): void {
    const call: { task: Task<unknown> | null; isCancelled: boolean } = {
      task: null,
      isCancelled: false,
    };
    connection.calls.set(id, call);
    const end = (reply: PortalReply): void => {
      connection.calls.delete(id);
      connection.reply(reply);
    };
    const body = async (): Promise<void> => {
      let reply: PortalReply;
      try {
        reply = { id, status: 'returned', value: await fn(...args) };
      } catch (error) {
        // An AbortError of a function that got a signal counts, too.
        if (isCancellation(error)) {
          end({ id, status: 'cancelled' });
          throw error;
        }
        if (call.isCancelled) reportDropped(name, error);
        reply = { id, status: 'thrown', thrown: encodeThrown(error) };
      }
      end(reply);
    };
    this.#group?.start(body, { name: `portal call ${name}` }).then(
      (task) => {
        call.task = task;
        if (call.isCancelled) task.cancel();
      },
      () => {
        // Cancelled before it began.
        if (connection.calls.has(id)) end({ id, status: 'cancelled' });
      },
    );
  }
}

function cancelCall(call: { task: Task<unknown> | null; isCancelled: boolean }): void {
  call.isCancelled = true;
  call.task?.cancel();
}

/** Calls a function that does not wait. An async function is recognised and not called. */
function callSync(
  connection: Connection,
  { id, name, args }: CallRequest,
  fn: (...args: unknown[]) => unknown,
): void {
  try {
    if (types.isAsyncFunction(fn))
      throw new TypeError(
        `"${name}" is an async function: call it with runCoroutine or runCoroutineSoon`,
      );
    const value = fn(...args);
    if (types.isPromise(value)) {
      // The call has begun: its failure must not become an unhandled rejection.
      value.catch(() => undefined);
      throw new TypeError(
        `"${name}" returned a promise: call it with runCoroutine or runCoroutineSoon`,
      );
    }
    connection.reply({ id, status: 'returned', value });
  } catch (error) {
    connection.reply({ id, status: 'thrown', thrown: encodeThrown(error) });
  }
}

/** The caller has cancelled its promise: only a process warning can report the error. */
function reportDropped(name: string, error: unknown): void {
  warn(`A cancelled portal call of "${name}" failed: ${textOf(error)}`, {
    code: 'SOCKSCOPE_PORTAL',
  });
}

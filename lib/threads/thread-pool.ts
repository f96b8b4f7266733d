import type { RunInThreadOptions, ThreadFunction } from '../contract/threads';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Piscina } from 'piscina';
import { ClosedResourceError, InvalidStateError, isError } from '../errors';
import { outsideOfTasks, currentScope } from '../waiting/context';
import { cancelled, isCancelled, markHandled, Operation, rejected } from '../waiting/operation';
import {
  checkBoolean,
  checkInteger,
  checkOptions,
  checkTime,
  invalidArgument,
  outOfRange,
} from '../arguments/validate';
import { decodeThrown } from './error-codec';
import { encodeCall, type ThreadCall } from './thread-function';
import type { ThreadResult } from './worker';
import type { WaitScope } from '../waiting/wait-scope';

/** The number of threads of a pool, and how long they are kept. */
export interface ThreadPoolOptions {
  /**
   * The largest number of threads. Further calls are queued, in order of arrival. Default: 1.5
   * times the number of processors.
   */
  readonly maxThreads?: number;
  /** The number of threads that are kept even when they are idle. Default: 0. */
  readonly minThreads?: number;
  /** Milliseconds until an idle thread ends. Default: 10,000. Infinity: it ends with the pool. */
  readonly idleTimeout?: number;
}

const DEFAULT_IDLE_MS = 10_000;
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * A call of a function in a thread. First it is queued, and a cancellation removes it without
 * effect; then it runs.
 */
export class ThreadJob<R> extends Operation<R> {
  readonly call: ThreadCall;
  readonly transfer: readonly unknown[];
  readonly #pool: ThreadPool;
  /** Terminates the thread of the call; null if a cancellation waits for the function instead. */
  readonly controller: AbortController | null;
  #isRunning = false;

  constructor(
    pool: ThreadPool,
    call: ThreadCall,
    transfer: readonly unknown[],
    abandonOnCancel: boolean,
  ) {
    super();
    this.#pool = pool;
    this.call = call;
    this.transfer = transfer;
    this.controller = abandonOnCancel ? new AbortController() : null;
  }

  describe(): string {
    return `${this.call.name}() in a thread${this.#isRunning ? '' : ' (queued)'}`;
  }

  start(): void {
    this.#isRunning = true;
    // A running function cannot be taken back: the cancellation is felt at the next checkpoint.
    if (this.controller === null) this.leave();
  }

  /** Rejects with `reason` if the call is still queued; otherwise does nothing. */
  giveUp(reason: Error): void {
    if (this.#isRunning || !this.#pool.dequeue(this)) return;
    markHandled(this.promise);
    this.fail(reason);
  }

  protected withdraw(): void {
    if (this.#isRunning) this.controller?.abort();
    else this.#pool.dequeue(this);
  }
}

/**
 * Worker threads that run exported functions: piscina, with the errors, the cancellation and the
 * queue of this library. Threads start when calls need them. Idle threads do not keep the process
 * alive.
 */
export class ThreadPool {
  readonly #options: ThreadPoolOptions;
  readonly #maxThreads: number;
  readonly #queue = new Set<ThreadJob<unknown>>();
  #running = 0;
  #pool: Piscina | undefined;
  /** Why a pool was given up. */
  readonly #failures = new WeakMap<Piscina, unknown>();
  #isClosed = false;
  #onIdle: (() => void)[] = [];

  /** @throws TypeError or RangeError for a size or a time that is not valid */
  constructor(options: ThreadPoolOptions = {}) {
    const {
      maxThreads = Math.max(1, Math.floor(availableParallelism() * 1.5)),
      minThreads = 0,
      idleTimeout = DEFAULT_IDLE_MS,
    } = options;
    checkInteger('maxThreads', maxThreads, 1, 65536);
    checkInteger('minThreads', minThreads, 0, maxThreads);
    checkTime('idleTimeout', idleTimeout);
    if (idleTimeout < 0) throw outOfRange('idleTimeout', 'at least 0', idleTimeout);
    this.#options = { minThreads, idleTimeout };
    this.#maxThreads = maxThreads;
  }

  /** A checkpoint: calls `fn` and settles as `fn` does. */
  async run<R>(
    fn: ThreadFunction,
    args: readonly unknown[] = [],
    options: RunInThreadOptions = {},
  ): Promise<R> {
    checkOptions('options', options);
    const { abandonOnCancel = false, transfer = [] } = options;
    checkBoolean('options.abandonOnCancel', abandonOnCancel);
    if (!Array.isArray(transfer)) throw invalidArgument('options.transfer', 'an array', transfer);
    const call = encodeCall(fn, args);
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    if (this.#isClosed) return rejected(shutDown());
    return this.submit<R>(call, transfer, abandonOnCancel, scope).promise;
  }

  /** Begins or queues a call. A cancellation of `scope`, if given, cancels the call. */
  submit<R>(
    call: ThreadCall,
    transfer: readonly unknown[],
    abandonOnCancel: boolean,
    scope: WaitScope | undefined,
  ): ThreadJob<R> {
    if (this.#isClosed) throw shutDown();
    const job = new ThreadJob<R>(this, call, transfer, abandonOnCancel).enter(scope);
    this.#queue.add(job);
    this.#startNext();
    return job;
  }

  /** @returns whether the job was queued */
  dequeue(job: ThreadJob<unknown>): boolean {
    return this.#queue.delete(job);
  }

  /**
   * Refuses new calls. Waits for running calls and, unless `cancelPending`, for queued ones; then
   * ends the threads. Idempotent.
   */
  async close(cancelPending: boolean): Promise<void> {
    this.#isClosed = true;
    if (cancelPending) {
      for (const job of [...this.#queue])
        job.giveUp(new ClosedResourceError('The executor was shut down before the call began'));
    }
    if (this.#running > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
    await this.end();
  }

  /** Ends the threads at once; running calls reject. A later call starts new threads. */
  async end(): Promise<void> {
    const pool = this.#pool;
    this.#pool = undefined;
    await pool?.destroy();
  }

  #startNext(): void {
    for (const job of this.#queue) {
      if (this.#running >= this.#maxThreads) return;
      this.#queue.delete(job);
      this.#running++;
      // A worker that starts for this call, and the calls after it, outlive the caller's task.
      outsideOfTasks(() => {
        void this.#execute(job);
      });
    }
  }

  async #execute(job: ThreadJob<unknown>): Promise<void> {
    job.start();
    let end: () => void;
    let pool: Piscina | undefined;
    try {
      pool = this.#pool ??= this.#open();
      const result = (await this.#post(pool, job)) as ThreadResult;
      end = () => {
        if (result.ok) job.settle(result.value);
        else job.fail(decodeThrown(result.thrown));
      };
    } catch (error) {
      // An argument or the result cannot be cloned, the thread ended itself or could not start, or
      // it was terminated: in the last case the job has been cancelled.
      const isFailure = pool !== undefined && this.#failures.has(pool);
      const reason = isFailure ? this.#failures.get(pool as Piscina) : error;
      end = () => {
        // A value that cannot be cloned is refused at once, without the thread.
        job.failInTurn(!isFailure && isEmpty(reason) ? uncloneable(job) : reason);
      };
    }
    this.#running--;
    if (job.controller?.signal.aborted !== true) end();
    this.#startNext();
    if (this.#running === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #post(pool: Piscina, { call, transfer, controller }: ThreadJob<unknown>): Promise<unknown> {
    return pool.run(call, {
      ...(transfer.length === 0 ? {} : { transferList: [...transfer] as never[] }),
      ...(controller === null ? {} : { signal: controller.signal }),
    }) as Promise<unknown>;
  }

  #open(): Piscina {
    // Loaded at the first call: a program without threads does not pay for piscina.
    const { Piscina: PiscinaPool } = createRequire(__filename)('piscina') as {
      Piscina: typeof Piscina;
    };
    const { minThreads = 0, idleTimeout = DEFAULT_IDLE_MS } = this.#options;
    const pool = new PiscinaPool({
      filename: join(__dirname, 'worker.js'),
      minThreads,
      maxThreads: this.#maxThreads,
      idleTimeout: Math.min(idleTimeout, LONGEST_TIMER),
    });
    // A thread failed that ran no call, as a rule because it cannot start: piscina would let the
    // calls that wait for it wait for ever.
    pool.on('error', (error: unknown) => {
      this.#failures.set(pool, error);
      if (this.#pool === pool) void this.end();
    });
    return pool;
  }
}

function shutDown(): InvalidStateError {
  return new InvalidStateError('The executor has been shut down');
}

/**
 * Node.js cannot clone a DOMException: the worker's DataCloneError arrives as an empty object, or
 * as an error without a message.
 */
function isEmpty(reason: unknown): boolean {
  if (typeof reason !== 'object' || reason === null) return false;
  return isError(reason) ? reason.message === '' : Reflect.ownKeys(reason).length === 0;
}

function uncloneable({ call }: ThreadJob<unknown>): DOMException {
  return new DOMException(`The result of ${call.name}() could not be cloned`, 'DataCloneError');
}

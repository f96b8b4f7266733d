import type { RunInThreadOptions, ThreadFunction } from '../contract/threads';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Piscina } from 'piscina';
import { ClosedResourceError, InvalidStateError } from '../errors';
import { outsideOfTasks, currentScope } from '../waiting/context';
import type { WaitScope } from '../waiting/operation';
import { cancelled, isCancelled, markHandled, Operation } from '../waiting/operation';
import { checkInteger, checkTime, outOfRange } from '../arguments/validate';
import { decodeThrown } from './error-codec';
import { encodeCall, type ThreadCall } from './thread-function';
import type { ThreadResult } from './worker';

/** How many threads, and for how long. */
export interface ThreadPoolOptions {
  /**
   * At most so many at once; calls beyond that wait their turn, first come first served. Default:
   * 1.5 for each processor.
   */
  readonly maxThreads?: number;
  /** So many are kept, even idle. Default 0. */
  readonly minThreads?: number;
  /** Milliseconds until an idle thread ends. Default 10,000; Infinity: with the pool. */
  readonly idleTimeout?: number;
}

const DEFAULT_IDLE_MS = 10_000;
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * A call of a function in a thread: in the queue, where a cancellation takes it out without effect,
 * and then running.
 */
export class ThreadJob<R> extends Operation<R> {
  readonly call: ThreadCall;
  readonly transfer: readonly unknown[];
  readonly #pool: ThreadPool;
  /** Terminates its thread; null if a cancellation is to wait for it. */
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
    // It cannot be taken back any more: a cancellation is felt at the next checkpoint after it.
    if (this.controller === null) this.leave();
  }

  /** Takes it out of the queue, if it is still there. */
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
 * Worker threads that run exported functions: piscina, with our errors, our cancellation and our
 * queue. They are made when they are needed, and keep no process alive while idle.
 */
export class ThreadPool {
  readonly #options: ThreadPoolOptions;
  readonly #maxThreads: number;
  readonly #queue = new Set<ThreadJob<unknown>>();
  #running = 0;
  #pool: Piscina | undefined;
  #isClosed = false;
  #onIdle: (() => void)[] = [];

  /** @throws TypeError or RangeError for sizes and times that are none */
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

  /** A checkpoint: a call, and its result, or what the function throws. */
  async run<R>(
    fn: ThreadFunction,
    args: readonly unknown[] = [],
    options: RunInThreadOptions = {},
  ): Promise<R> {
    const { abandonOnCancel = false, transfer = [] } = options;
    const call = encodeCall(fn, args);
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    return this.submit<R>(call, transfer, abandonOnCancel, scope).promise;
  }

  /** Begins a call, or puts it into the queue; linked into `scope` if there is one. */
  submit<R>(
    call: ThreadCall,
    transfer: readonly unknown[],
    abandonOnCancel: boolean,
    scope: WaitScope | undefined,
  ): ThreadJob<R> {
    if (this.#isClosed) throw new InvalidStateError('The executor has been shut down');
    const job = new ThreadJob<R>(this, call, transfer, abandonOnCancel).enter(scope);
    this.#queue.add(job);
    this.#startNext();
    return job;
  }

  /** @returns whether it was in the queue */
  dequeue(job: ThreadJob<unknown>): boolean {
    return this.#queue.delete(job);
  }

  /**
   * No new calls. Waits for those that have begun, and (unless `cancelPending`) those in the queue;
   * then ends the threads. Idempotent.
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

  /** Ends the threads at once; what still runs in them rejects. A later call makes new ones. */
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
      void this.#execute(job);
    }
  }

  async #execute(job: ThreadJob<unknown>): Promise<void> {
    job.start();
    let end: () => void;
    try {
      const result = (await this.#post(job)) as ThreadResult;
      end = () => {
        if (result.ok) job.settle(result.value);
        else job.fail(decodeThrown(result.thrown));
      };
    } catch (error) {
      // An argument or the result that cannot be cloned, a thread that ended itself, or one that
      // was terminated: the job has been cancelled then.
      end = () => {
        job.fail(error instanceof Error && error.message !== '' ? error : uncloneable(job));
      };
    }
    this.#running--;
    if (job.controller?.signal.aborted !== true) end();
    this.#startNext();
    if (this.#running === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #post({ call, transfer, controller }: ThreadJob<unknown>): Promise<unknown> {
    // Workers outlive the task that happened to need the first of them.
    this.#pool ??= outsideOfTasks(() => this.#open());
    return this.#pool.run(call, {
      ...(transfer.length === 0 ? {} : { transferList: [...transfer] as never[] }),
      ...(controller === null ? {} : { signal: controller.signal }),
    }) as Promise<unknown>;
  }

  #open(): Piscina {
    // Loaded at the first call: a program without threads pays nothing for them.
    const { Piscina: PiscinaPool } = createRequire(__filename)('piscina') as {
      Piscina: typeof Piscina;
    };
    const { minThreads = 0, idleTimeout = DEFAULT_IDLE_MS } = this.#options;
    return new PiscinaPool({
      filename: join(__dirname, 'worker.js'),
      minThreads,
      maxThreads: this.#maxThreads,
      idleTimeout: Math.min(idleTimeout, LONGEST_TIMER),
    });
  }
}

/** What a worker says of it arrives empty: a DOMException cannot be cloned itself. */
function uncloneable({ call }: ThreadJob<unknown>): DOMException {
  return new DOMException(`The result of ${call.name}() could not be cloned`, 'DataCloneError');
}

import type { Concurrency } from '../contract/concurrency';
import type { Clock } from '../contract/clock';
import type { Awaitable, BootstrapOptions } from '../contract/tasks';
import { CancelledError, InvalidStateError } from '../errors';
import type { PendingOperation } from '../waiting/operation';
import { markHandled } from '../waiting/operation';
import { checkFunction } from '../arguments/validate';
import { cancellationOf } from './cancellation';
import { ScopeNode } from './scope-node';
import { type Abortable, checkSignal, SignalLink } from './signal-link';
import { checkTaskOptions, currentTask, TaskNode, type TaskOwner } from './task-node';

/**
 * Around a root task, and what it leaves behind: checkpoints, scopes and groups that it started and
 * did not await.
 */
class Run<R> extends ScopeNode implements TaskOwner, Abortable {
  readonly backend: Concurrency;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  /** Once it has ended. */
  #root: TaskNode | null = null;
  #isLooking = false;
  #resolve!: (value: R) => void;
  #reject!: (reason: unknown) => void;
  readonly promise = new Promise<R>((resolve, reject) => {
    this.#resolve = resolve;
    this.#reject = reject;
  });

  constructor(backend: Concurrency, clock: Clock, signal: AbortSignal | undefined) {
    super();
    this.backend = backend;
    this.#clock = clock;
    this.#signal = signal;
  }

  begin(main: () => Awaitable<R>, name: string | undefined): void {
    this.enter();
    if (this.#signal !== undefined) SignalLink.of(this.#signal).add(this);
    new TaskNode(this, this, main, name).begin();
  }

  /** The signal has aborted already. */
  refuse(reason: unknown): void {
    this.#fail(abortedBySignal(this, reason));
  }

  taskEnded(root: TaskNode): void {
    this.#root = root;
    if (this.#isEmpty) {
      this.#end(root);
    } else if (root.state !== 'completed' && this.cancellation === null) {
      // Nobody is there to cancel it later.
      this.cancelWith(
        cancellationOf(this, 'The main function has failed', { cause: root.outcome }),
      );
    }
  }

  onAbort(reason: unknown): void {
    if (this.ownCancellation === null) this.cancelWith(abortedBySignal(this, reason));
  }

  override disown(child: ScopeNode): void {
    super.disown(child);
    this.#look();
  }

  override unlink(operation: PendingOperation): void {
    super.unlink(operation);
    this.#look();
  }

  describe(): string {
    return 'bootstrap';
  }

  get #isEmpty(): boolean {
    return this.firstChild === null && this.firstOperation === null;
  }

  /**
   * Something that was left behind has ended. Its code goes on now, perhaps to the next checkpoint:
   * only a turn later it shows.
   */
  #look(): void {
    if (this.#root === null || this.#isLooking || !this.#isEmpty) return;
    this.#isLooking = true;
    this.#clock.nextTurn(() => {
      this.#isLooking = false;
      if (this.#root !== null && this.#isEmpty) this.#end(this.#root);
    });
  }

  #end(root: TaskNode): void {
    this.leave();
    if (this.#signal !== undefined) SignalLink.of(this.#signal).delete(this);
    if (root.state === 'completed') this.#resolve(root.outcome as R);
    else this.#fail(root.outcome);
  }

  #fail(reason: unknown): void {
    if (reason instanceof CancelledError) markHandled(this.promise);
    this.#reject(reason);
  }
}

function abortedBySignal(run: ScopeNode, reason: unknown): CancelledError {
  return cancellationOf(run, 'The signal given to bootstrap() was aborted', { cause: reason });
}

/** See {@link Concurrency.bootstrap}. */
export function bootstrap<R>(
  backend: Concurrency,
  clock: Clock,
  main: () => Awaitable<R>,
  options: BootstrapOptions = {},
): Promise<R> {
  try {
    checkFunction('main', main);
    checkTaskOptions(options);
    checkSignal('options.signal', options.signal);
    if (currentTask()?.isDone === false) {
      throw new InvalidStateError(
        'bootstrap() is for the beginning: inside a task, call the function, or start it in a task group',
      );
    }
  } catch (error) {
    return Promise.reject<R>(error);
  }
  const { name, signal } = options;
  const run = new Run<R>(backend, clock, signal);
  if (signal?.aborted === true) run.refuse(signal.reason);
  else run.begin(main, name);
  return run.promise;
}

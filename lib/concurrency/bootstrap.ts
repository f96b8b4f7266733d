import type { Concurrency } from '../contract/concurrency';
import type { Clock } from '../contract/clock';
import type { Awaitable, BootstrapOptions } from '../contract/tasks';
import { CancelledError, InvalidStateError } from '../errors';
import { markHandled } from '../waiting/operation';
import { checkFunction } from '../arguments/validate';
import { createCancellation } from './cancellation';
import { ScopeNode } from './scope-node';
import { type Abortable, checkSignal, SignalLink } from './signal-link';
import { checkTaskOptions, currentTask, TaskNode, type TaskOwner } from './task-node';
import type { PendingOperation } from '../waiting/wait-scope';

/**
 * The scope around a root task and all that the task started and did not await: checkpoints, scopes
 * and groups.
 */
class BootstrapScope<R> extends ScopeNode implements TaskOwner, Abortable {
  readonly backend: Concurrency;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  /** The root task, once it has ended. */
  #root: TaskNode | null = null;
  #isCheckScheduled = false;
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

  /** Rejects without a call of `main`: the signal has aborted already. */
  rejectAborted(reason: unknown): void {
    this.#fail(abortedBySignal(this, reason));
  }

  taskEnded(root: TaskNode): void {
    this.#root = root;
    if (this.#isEmpty) {
      this.#end(root);
    } else if (root.state !== 'completed' && this.cancellation === null) {
      // No code is left that could cancel what is still running.
      this.cancelWith(
        createCancellation(this, 'The main function has failed', { cause: root.outcome }),
      );
    }
  }

  onAbort(reason: unknown): void {
    if (this.ownCancellation === null) this.cancelWith(abortedBySignal(this, reason));
  }

  override removeChild(child: ScopeNode): void {
    super.removeChild(child);
    this.#endWhenEmpty();
  }

  override unlink(operation: PendingOperation): void {
    super.unlink(operation);
    this.#endWhenEmpty();
  }

  describe(): string {
    return 'bootstrap';
  }

  get #isEmpty(): boolean {
    return this.firstChild === null && this.firstOperation === null;
  }

  /**
   * Called when something that the root task left behind has ended. Its code goes on and may reach
   * another checkpoint, so the scope ends only if it is still empty a turn later.
   */
  #endWhenEmpty(): void {
    if (this.#root === null || this.#isCheckScheduled || !this.#isEmpty) return;
    this.#isCheckScheduled = true;
    this.#clock.nextTurn(() => {
      this.#isCheckScheduled = false;
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

function abortedBySignal(scope: ScopeNode, reason: unknown): CancelledError {
  return createCancellation(scope, 'The signal given to bootstrap() was aborted', {
    cause: reason,
  });
}

/** See `Concurrency.bootstrap`. */
export function bootstrap<R>(
  backend: Concurrency,
  clock: Clock,
  main: () => Awaitable<R>,
  options: BootstrapOptions = {},
): Promise<R> {
  try {
    checkFunction('main', main);
    checkTaskOptions(options);
    const { name, signal } = options;
    checkSignal('options.signal', signal);
    if (currentTask()?.isDone === false) {
      throw new InvalidStateError(
        'bootstrap() inside a task: call the function itself, or start it in a task group',
      );
    }
    const scope = new BootstrapScope<R>(backend, clock, signal);
    if (signal?.aborted === true) scope.rejectAborted(signal.reason);
    else scope.begin(main, name);
    return scope.promise;
  } catch (error) {
    return Promise.reject<R>(error);
  }
}

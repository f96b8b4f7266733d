import { EBADF } from '../errno';
import { ClosedResourceError, type SystemError, systemError } from '../errors';
import { currentScope } from '../waiting/context';
import { cancelled, isCancelled, Operation, rejected, resolved } from '../waiting/operation';
import { defer, spend } from '../waiting/turn-budget';
import type { Descriptor, Direction } from './descriptor';

/**
 * The result of an attempt that has no result yet. The descriptor's readiness says why. Without
 * readiness, the call would block, and is tried again after the next event. With readiness, only
 * the turn's budget is spent, and the next turn of the event loop goes on.
 */
export const WOULD_BLOCK = Symbol('would block');

/**
 * A system call that waits for readiness in one direction of a descriptor. A subclass makes the
 * call in `attempt`, which returns the result, or WOULD_BLOCK, or throws. The attempt is repeated
 * after each event until it does not block.
 *
 * The call is made only when it can complete. So an operation that is cancelled while it waits has
 * had no effect on the socket.
 */
export abstract class IoOperation<T> extends Operation<T> {
  readonly descriptor: Descriptor;
  readonly direction: Direction;
  /**
   * The socket, transport or listener that closes the descriptor when it is collected. While this
   * operation waits, it refers to the owner, which is therefore not collected.
   */
  readonly owner: object | null;

  constructor(descriptor: Descriptor, direction: Direction, owner: object | null = null) {
    super();
    this.descriptor = descriptor;
    this.direction = direction;
    this.owner = owner;
  }

  /** The name of the system call, for the task tree. */
  abstract readonly syscall: string;

  protected abstract attempt(): T | typeof WOULD_BLOCK;

  describe(): string {
    return `${this.syscall} on fd ${String(this.descriptor.fd)}`;
  }

  /**
   * Occupies its direction of the descriptor and waits: for the next turn alone if the descriptor
   * `isReady`, else for an event.
   */
  park(isReady: boolean): this {
    const { descriptor } = this;
    if (this.direction === 'read') descriptor.reader = this;
    else descriptor.writer = this;
    descriptor.reactor.ref();
    if (isReady) defer(this);
    else awaitEvent(this, false);
    return this;
  }

  /** An event or the next turn has come: tries the call. */
  resume(): void {
    const { descriptor, direction } = this;
    // A deferred operation may have ended in another way meanwhile.
    if ((direction === 'read' ? descriptor.reader : descriptor.writer) !== this) return;
    let result: T | typeof WOULD_BLOCK;
    try {
      result = this.attempt();
    } catch (error) {
      const failure = closedOr(descriptor, error);
      this.withdraw();
      this.fail(failure);
      return;
    }
    if (result === WOULD_BLOCK) {
      if (descriptor.isReady(direction)) defer(this);
      else awaitEvent(this, true);
      return;
    }
    this.withdraw();
    this.settle(result);
  }

  /** Leaves its direction of the descriptor to the next operation. */
  withdraw(): void {
    const { descriptor } = this;
    if (this.direction === 'read') descriptor.reader = null;
    else descriptor.writer = null;
    descriptor.reactor.unref();
    if (descriptor.onWriteEnd !== null && this.direction === 'write') descriptor.onWriteEnd();
  }

  /** The reactor cannot watch the descriptor: the code says why. */
  refused(code: number): void {
    this.withdraw();
    this.abort(systemError(code, 'epoll_ctl'));
  }

  /**
   * The descriptor was closed while this waited, or cannot be watched. The operation has been
   * withdrawn already. A subclass adds to the error what the operation has done so far.
   */
  abort(reason: Error): void {
    this.fail(reason);
  }
}

/**
 * Code of the caller may run during an attempt (a getter of a buffer) and close the descriptor: the
 * call then failed for that, and not with the EBADF that the kernel returned.
 */
function closedOr(descriptor: Descriptor, error: unknown): unknown {
  return descriptor.fd < 0 && (error as Partial<SystemError> | null)?.errno === EBADF
    ? new ClosedResourceError('The socket was closed during the call')
    : error;
}

function awaitEvent(operation: IoOperation<unknown>, again: boolean): void {
  const { descriptor } = operation;
  const { reactor } = descriptor;
  const registered = descriptor.slot < 0 ? reactor.register(descriptor) : 0;
  const status = registered < 0 ? registered : reactor.arm(descriptor, again);
  if (status < 0) operation.refused(status);
}

/**
 * A kind of call: one static object per method of a transport, so that a call needs no closure. The
 * keys of all these objects stand in the same order: they then have the same hidden class.
 */
export interface IoCall<Argument, Result> {
  readonly direction: Direction;
  /** The method that the user calls, for error messages. */
  readonly name: string;
  /** The system call that waits, for the task tree and for errors. */
  readonly syscall: string;
  /** Makes the system call: returns its result, or WOULD_BLOCK, or throws. */
  readonly attempt: (descriptor: Descriptor, argument: Argument) => Result | typeof WOULD_BLOCK;
}

/** An IoCall under way. */
class CallOperation<Argument, Result> extends IoOperation<Result> {
  readonly #call: IoCall<Argument, Result>;
  readonly #argument: Argument;

  constructor(
    descriptor: Descriptor,
    call: IoCall<Argument, Result>,
    argument: Argument,
    owner: object | null,
  ) {
    super(descriptor, call.direction, owner);
    this.#call = call;
    this.#argument = argument;
  }

  get syscall(): string {
    return this.#call.syscall;
  }

  protected attempt(): Result | typeof WOULD_BLOCK {
    return attemptCall(this.descriptor, this.#call, this.#argument);
  }
}

/** Every receive goes through here, so an error that is kept for receives reaches each of them. */
function attemptCall<Argument, Result>(
  descriptor: Descriptor,
  call: IoCall<Argument, Result>,
  argument: Argument,
): Result | typeof WOULD_BLOCK {
  if (descriptor.readError !== 0 && call.direction === 'read')
    descriptor.throwReadError(call.syscall);
  return call.attempt(descriptor, argument);
}

/**
 * A checkpoint made of one system call. The call is tried at once if the descriptor is ready, and
 * again after each event. `owner` is not collected while the call waits.
 */
export function perform<Argument, Result>(
  descriptor: Descriptor,
  call: IoCall<Argument, Result>,
  argument: Argument,
  owner: object | null = null,
): Promise<Result> {
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  const { direction } = call;
  const usageError = descriptor.usageError(direction, call.name);
  if (usageError !== null) return rejected(usageError);
  if (descriptor.isReady(direction) && spend()) {
    try {
      const result = attemptCall(descriptor, call, argument);
      if (result !== WOULD_BLOCK) return Promise.resolve(result);
    } catch (error) {
      return Promise.reject(closedOr(descriptor, error));
    }
  }
  return new CallOperation(descriptor, call, argument, owner)
    .enter(scope)
    .park(descriptor.isReady(direction)).promise;
}

/**
 * A checkpoint that needs no system call, such as a receive of no bytes: rejects as `perform` does,
 * else resolves with `result`.
 */
export function performNothing<Result>(
  descriptor: Descriptor,
  { direction, name }: Pick<IoCall<never, unknown>, 'direction' | 'name'>,
  result: Result,
): Promise<Result> {
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  const usageError = descriptor.usageError(direction, name);
  return usageError === null ? resolved(result) : rejected(usageError);
}

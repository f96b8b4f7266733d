import { type ClosedResourceError, systemError } from '../errors';
import { currentScope } from '../waiting/context';
import { cancelled, isCancelled, Operation } from '../waiting/operation';
import { defer, spend } from '../waiting/turn-budget';
import type { Descriptor } from './descriptor';

/**
 * What `attempt` returns when it has no result yet. The descriptor's `mayRead` or `mayWrite` tells
 * why: false, the call would block; still true, this turn of the event loop has had enough of it,
 * and the next one goes on.
 */
export const WOULD_BLOCK = Symbol('would block');

/**
 * A system call that waits for readiness in one direction of a descriptor. A subclass makes the
 * call in `attempt`, which returns the result, or WOULD_BLOCK, or throws; it is called again after
 * each readiness event until it does not block.
 *
 * Since the call is only made when it can complete, giving up while it waits has no effect on the
 * socket.
 */
export abstract class IoOperation<T> extends Operation<T> {
  readonly descriptor: Descriptor;
  readonly direction: 'read' | 'write';
  /**
   * The face of the descriptor that is closed when it is collected: not while this waits, since
   * this holds it.
   */
  readonly owner: object | null;

  constructor(descriptor: Descriptor, direction: 'read' | 'write', owner: object | null = null) {
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
   * Takes its direction of the descriptor, and waits: for readiness, or (`ready`) only for its
   * turn.
   */
  park(ready: boolean): this {
    const { descriptor } = this;
    if (this.direction === 'read') descriptor.reader = this;
    else descriptor.writer = this;
    descriptor.reactor.retain();
    if (ready) defer(this);
    else awaitReadiness(this);
    return this;
  }

  /** Readiness has come (or the turn): tries the call. */
  resume(): void {
    const { descriptor } = this;
    const isRead = this.direction === 'read';
    // A deferred operation may have ended otherwise in the meantime.
    if ((isRead ? descriptor.reader : descriptor.writer) !== this) return;
    let result: T | typeof WOULD_BLOCK;
    try {
      result = this.attempt();
    } catch (error) {
      this.withdraw();
      this.fail(error);
      return;
    }
    if (result === WOULD_BLOCK) {
      if (isRead ? descriptor.mayRead : descriptor.mayWrite) defer(this);
      else awaitReadiness(this);
      return;
    }
    this.withdraw();
    this.settle(result);
  }

  /** Gives its direction of the descriptor back. */
  withdraw(): void {
    const { descriptor } = this;
    if (this.direction === 'read') descriptor.reader = null;
    else descriptor.writer = null;
    descriptor.reactor.release();
    if (descriptor.onWriteEnd !== null && this.direction === 'write') descriptor.onWriteEnd();
  }

  /** The descriptor was closed under it (and has forgotten it). */
  lose(reason: ClosedResourceError): void {
    this.fail(reason);
  }
}

function awaitReadiness(operation: IoOperation<unknown>): void {
  const { descriptor } = operation;
  const { reactor } = descriptor;
  const watched = descriptor.slot < 0 ? reactor.watch(descriptor) : 0;
  const status = watched < 0 ? watched : reactor.arm(descriptor);
  if (status < 0) {
    operation.withdraw();
    operation.fail(systemError(status, 'epoll_ctl'));
  }
}

/** Makes the system call: returns its result, or `wouldBlock(…)`, or throws. */
type Attempt<T, A> = (descriptor: Descriptor, argument: A) => T | typeof WOULD_BLOCK;

class Call<T, A> extends IoOperation<T> {
  readonly syscall: string;
  readonly #attempt: Attempt<T, A>;
  readonly #argument: A;

  constructor(
    descriptor: Descriptor,
    direction: 'read' | 'write',
    syscall: string,
    attempt: Attempt<T, A>,
    argument: A,
    owner: object | null,
  ) {
    super(descriptor, direction, owner);
    this.syscall = syscall;
    this.#attempt = attempt;
    this.#argument = argument;
  }

  protected attempt(): T | typeof WOULD_BLOCK {
    return this.#attempt(this.descriptor, this.#argument);
  }
}

/**
 * A checkpoint that needs no system call, as of a receive of no bytes: refused like any other, and
 * then done.
 */
export function performNothing<T>(
  descriptor: Descriptor,
  direction: 'read' | 'write',
  method: string,
  result: T,
): Promise<T> {
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  const refusal = descriptor.refusal(direction, method);
  return refusal === null ? Promise.resolve(result) : Promise.reject(refusal);
}

/**
 * A checkpoint made of one system call: tried at once if it may succeed, and again after each
 * readiness event. `method` is what the caller called, for error messages; `owner` is not collected
 * while it waits; `argument` is what `attempt` is given besides the descriptor, so that it need not
 * be a closure of its own for each call.
 */
export function perform<T, A = undefined>(
  descriptor: Descriptor,
  direction: 'read' | 'write',
  method: string,
  syscall: string,
  attempt: Attempt<T, A>,
  owner: object | null = null,
  argument?: A,
): Promise<T> {
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  const refusal = descriptor.refusal(direction, method);
  if (refusal !== null) return Promise.reject(refusal);
  const isRead = direction === 'read';
  if ((isRead ? descriptor.mayRead : descriptor.mayWrite) && spend()) {
    try {
      const result = attempt(descriptor, argument as A);
      if (result !== WOULD_BLOCK) return Promise.resolve(result);
    } catch (error) {
      return Promise.reject(error);
    }
  }
  const operation = new Call(descriptor, direction, syscall, attempt, argument as A, owner).enter(
    scope,
  );
  return operation.park(isRead ? descriptor.mayRead : descriptor.mayWrite).promise;
}

/** The kernel said EAGAIN: the next call in this direction waits for an event. */
export function wouldBlock(
  descriptor: Descriptor,
  direction: 'read' | 'write',
): typeof WOULD_BLOCK {
  if (direction === 'read') descriptor.mayRead = false;
  else descriptor.mayWrite = false;
  return WOULD_BLOCK;
}

import { EAGAIN } from '../errno';
import { BusyResourceError, ClosedResourceError, InvalidStateError, systemError } from '../errors';
import type { IoOperation } from './io-operation';
import { EXCEPTIONAL, READABLE, type Reactor, reactor, WRITABLE } from './reactor';

/** The two sides of a descriptor. Each has its own readiness, and at most one waiting operation. */
export type Direction = 'read' | 'write';

/** The descriptors of this environment, by fd number. */
const owners: (Descriptor | undefined)[] = [];

/** Family, type and protocol of a socket, as socket(2) takes them, and what follows from them. */
class SocketType {
  readonly family: number;
  readonly type: number;
  readonly protocol: number;
  /** Over IPv4 or IPv6. */
  readonly isInet: boolean;
  /** SOCK_STREAM: bytes without message boundaries. */
  readonly isStream: boolean;
  /**
   * TCP, where a short receive has drained the kernel's buffer: there are no control messages that
   * a receive would stop at.
   */
  readonly isTcp: boolean;
  /** A receive that does not take all that it has room for has drained the kernel's buffer. */
  readonly endsShort: boolean;

  constructor(family: number, type: number, protocol: number) {
    this.family = family;
    this.type = type;
    this.protocol = protocol;
    const { AF_INET, AF_INET6, SOCK_STREAM, IPPROTO_TCP } = reactor().native.constants;
    this.isInet = family === AF_INET || family === AF_INET6;
    this.isStream = type === SOCK_STREAM;
    this.isTcp = this.isInet && this.isStream && (protocol === 0 || protocol === IPPROTO_TCP);
    this.endsShort = this.isTcp || (this.isInet && !this.isStream);
  }
}

const types: SocketType[] = [];
/**
 * More than the types that a program uses. The sockets in control messages may be of any type: a
 * sender must not make the list long, and every search in it slow.
 */
const MAX_SHARED_TYPES = 64;

/** All sockets of one type share one object: there are few types, and many sockets. */
export function socketType(family: number, type: number, protocol: number): SocketType {
  let found = types.find(
    (known) => known.family === family && known.type === type && known.protocol === protocol,
  );
  if (found === undefined) {
    found = new SocketType(family, type, protocol);
    if (types.length < MAX_SHARED_TYPES) types.push(found);
  }
  return found;
}

/**
 * The one owner of an fd. Sockets, transports and listeners refer to a descriptor, and may share
 * it: when one of them closes the descriptor, it is closed for all of them.
 */
export class Descriptor {
  /** -1 once closed or detached. */
  fd: number;
  readonly type: SocketType;
  readonly reactor: Reactor;

  /** Its index in the reactor's table; -1 while it is not registered. */
  slot = -1;
  /** The operation that waits in each direction. */
  reader: IoOperation<unknown> | null = null;
  writer: IoOperation<unknown> | null = null;
  #readReady = true;
  #writeReady = true;
  /**
   * The peer has hung up, or an error or urgent data is pending. No further event announces such a
   * state, so a short receive proves nothing any more.
   */
  exceptional = false;
  /** The object that should close the descriptor, for the warning if it is collected first. */
  ownerLabel = '';
  /** A transport or listener has taken the descriptor over. */
  claimed = false;
  /** A graceful close waits for the send under way: no call may begin. */
  closing = false;
  /** A send ended half-way: no further send may begin. */
  broken = false;
  /**
   * The error of an earlier call that the next receive rejects with, as a negative code; 0 if there
   * is none. The kernel reports an error only once, so it is kept here.
   */
  readError = 0;
  /**
   * How the incoming stream ends, if that is known: 1 once a receive has returned its end; the
   * negative code of the error that a send met, which the kernel reports once; else 0.
   */
  inputEnd = 0;
  /** A stream send has sent something, which an abrupt close could still lose. */
  hasSent = false;
  /** Called when a waiting send ends: a graceful close waits for it. */
  onWriteEnd: (() => void) | null = null;

  /** Takes ownership of an fd that the binding has just returned. */
  constructor(fd: number, type: SocketType) {
    this.fd = fd;
    this.type = type;
    this.reactor = reactor();
    owners[fd]?.invalidate();
    owners[fd] = this;
  }

  /**
   * Whether a call in this direction is worth trying now. Readiness is a hint: a call may still
   * block. Without readiness, the call waits for the next event.
   */
  isReady(direction: Direction): boolean {
    return direction === 'read' ? this.#readReady : this.#writeReady;
  }

  // Edge-triggered events announce only what happens next. If readiness ended for a pause, a spent
  // budget or an error, the next call would wait for an event that has come already. So no method
  // ends readiness at a caller's word. These three take what the kernel returned, and judge it.

  /**
   * Whether `code`, which a call returned, is EAGAIN. Then readiness ends: the next call in this
   * direction waits for an event. (EAGAIN of a call with MSG_ERRQUEUE or MSG_OOB speaks of another
   * queue, and is not for this method.)
   */
  wouldBlock(direction: Direction, code: number): boolean {
    if (code !== EAGAIN) return false;
    this.#endReadiness(direction);
    return true;
  }

  /**
   * poll(2) in one direction, without waiting. Returns bits of events, or a negative code. 0 ends
   * readiness, as EAGAIN does.
   */
  poll(direction: Direction): number {
    const ready = this.reactor.native.poll(this.fd, direction === 'read' ? READABLE : WRITABLE);
    if (ready === 0) this.#endReadiness(direction);
    return ready;
  }

  /**
   * A receive returned `count` of the bytes or datagrams that it had `room` for. If that drained
   * the kernel's buffer, readiness ends, which saves the call that would return EAGAIN. (Not while
   * the state is exceptional: no event would announce what comes next.)
   */
  received(count: number, room: number): void {
    if (count < room && this.type.endsShort && !this.exceptional) this.#endReadiness('read');
  }

  #endReadiness(direction: Direction): void {
    if (direction === 'read') this.#readReady = false;
    else this.#writeReady = false;
  }

  /** An event from the reactor: the waiting operations try again. */
  notify(events: number): void {
    if ((events & EXCEPTIONAL) !== 0) this.exceptional = true;
    if ((events & (READABLE | EXCEPTIONAL)) !== 0) {
      this.#readReady = true;
      this.reader?.resume();
    }
    if ((events & (WRITABLE | EXCEPTIONAL)) !== 0) {
      this.#writeReady = true;
      this.writer?.resume();
    }
  }

  /** The error for a call that must not begin now; null if it may. `method` is named in it. */
  usageError(direction: Direction, method: string): Error | null {
    const isRead = direction === 'read';
    const other = isRead ? this.reader : this.writer;
    if (this.fd >= 0 && other === null && !this.closing && (isRead || !this.broken)) return null;
    if (this.fd < 0 || this.closing)
      return new ClosedResourceError(`${method}() called after close`);
    if (other !== null) {
      const what = isRead ? 'receiving' : 'sending';
      return new BusyResourceError(
        `${method}() called while another task is ${what} already (${other.describe()})`,
      );
    }
    return new InvalidStateError(
      `${method}() called after a send that ended half-way: only aclose() is left`,
    );
  }

  /**
   * Throws the error that an earlier call left for the next receive, if there is one. A datagram
   * socket reports such an error once. On a stream it ended the connection, and every receive
   * rejects with it.
   */
  throwReadError(syscall: string): void {
    const { readError } = this;
    if (readError === 0) return;
    if (!this.type.isStream) this.readError = 0;
    throw systemError(readError, syscall);
  }

  /** Takes the descriptor for a transport or listener. @throws InvalidStateError if one has it */
  claim(): void {
    if (this.claimed)
      throw new InvalidStateError(
        `fd ${String(this.fd)} belongs to a transport or listener already`,
      );
    this.claimed = true;
  }

  /**
   * Ends the registration, closes the fd, and rejects what waits. Idempotent. Returns 0, or the
   * negative code of close(2).
   */
  close(): number {
    const { fd } = this;
    if (fd < 0) return 0;
    disown(this);
    // Before any task hears of it: a task must not find the fd closed here and open in the kernel.
    const status = this.reactor.native.close(fd);
    abortAll(this, 'closed');
    return status;
  }

  /** Gives the fd away, open. Returns -1 if the descriptor has none any more. */
  detach(): number {
    const { fd } = this;
    if (fd < 0) return -1;
    disown(this);
    this.reactor.native.release(fd);
    abortAll(this, 'detached');
    return fd;
  }

  /**
   * The kernel has given out the same fd number again, so other code has closed the fd
   * (`fs.closeSync`). The number has a new owner: this descriptor gives it up, without any system
   * call.
   */
  invalidate(): void {
    disown(this);
    abortAll(this, 'closed by other means');
  }

  /**
   * A graceful close has begun: no call may begin, a waiting receive rejects, and only the send
   * under way goes on.
   */
  stopReading(): void {
    this.closing = true;
    abort(this.reader, 'closed');
  }
}

/** Whether a descriptor of this environment owns the fd. */
export function isOwned(fd: number): boolean {
  return owners[fd] !== undefined;
}

/** To be called when the kernel has given out an fd number in another way than for a descriptor. */
export function numberReassigned(fd: number): void {
  owners[fd]?.invalidate();
}

function disown(descriptor: Descriptor): void {
  if (descriptor.slot >= 0) descriptor.reactor.deregister(descriptor);
  owners[descriptor.fd] = undefined;
  descriptor.fd = -1;
}

function abortAll({ reader, writer }: Descriptor, how: string): void {
  abort(reader, how);
  abort(writer, how);
}

function abort(operation: IoOperation<unknown> | null, how: string): void {
  if (operation === null) return;
  // A cancellation may reach the close before it reaches an operation that the close ends. Such an
  // operation rejects as cancelled.
  const cancellation = operation.scope?.cancellation ?? null;
  if (cancellation !== null) {
    operation.cancel(cancellation);
    return;
  }
  operation.withdraw();
  operation.abort(
    new ClosedResourceError(
      `The socket was ${how} while a task was waiting on it (${operation.syscall})`,
    ),
  );
}

import { BusyResourceError, ClosedResourceError, InvalidStateError } from '../errors';
import type { IoOperation } from './io-operation';
import { EXCEPTIONAL, READABLE, type Reactor, reactor, WRITABLE } from './reactor';

/** Who has which fd number, in this environment. */
const owners: (Descriptor | undefined)[] = [];

/** What sockets of one sort have in common. */
class SocketKind {
  readonly family: number;
  readonly type: number;
  readonly protocol: number;
  /** Over IPv4 or IPv6. */
  readonly isInet: boolean;
  /**
   * A stream of bytes without any marks in it: a receive that left room in its buffer has drained
   * the kernel's.
   */
  readonly isTcp: boolean;

  constructor(family: number, type: number, protocol: number) {
    this.family = family;
    this.type = type;
    this.protocol = protocol;
    const { AF_INET, AF_INET6, SOCK_STREAM, IPPROTO_TCP } = reactor().native.constants;
    this.isInet = family === AF_INET || family === AF_INET6;
    this.isTcp =
      this.isInet && type === SOCK_STREAM && (protocol === 0 || protocol === IPPROTO_TCP);
  }
}

const kinds: SocketKind[] = [];

/** The one object for sockets of this sort: there are few sorts, and many sockets. */
export function socketKind(family: number, type: number, protocol: number): SocketKind {
  let kind = kinds.find(
    (known) => known.family === family && known.type === type && known.protocol === protocol,
  );
  if (kind === undefined) kinds.push((kind = new SocketKind(family, type, protocol)));
  return kind;
}

/**
 * The one owner of an fd. Sockets, transports and listeners are faces of a descriptor: whichever
 * closes it closes it for all.
 */
export class Descriptor {
  /** -1 once closed or released. */
  fd: number;
  readonly kind: SocketKind;
  readonly reactor: Reactor;

  /** Its place in the reactor's table; -1 while it is not watched. */
  slot = -1;
  /** What waits in each direction: one operation at a time. */
  reader: IoOperation<unknown> | null = null;
  writer: IoOperation<unknown> | null = null;
  /**
   * False if the last call in this direction would have blocked, or drained (filled) the kernel's
   * buffer: the next one waits for an event first.
   */
  mayRead = true;
  mayWrite = true;
  /**
   * The peer has hung up, or an error or urgent data is pending: readiness that no further event
   * will announce.
   */
  exceptional = false;
  /** What closes it when it is collected, for the warning. */
  owner = '';
  /** A transport or listener has taken it over. */
  claimed = false;
  /** A graceful close waits for the send under way: nothing new begins. */
  closing = false;
  /** A send was given up half-way: nothing more can be sent. */
  broken = false;
  /**
   * The code of the error that ended receiving; 0 while there is none. The kernel tells it only
   * once.
   */
  readError = 0;
  /** Who waits for the end of the send under way. */
  onWriteEnd: (() => void) | null = null;

  /** Takes ownership of an fd that has just come from the binding. */
  constructor(fd: number, kind: SocketKind) {
    this.fd = fd;
    this.kind = kind;
    this.reactor = reactor();
    owners[fd]?.evict();
    owners[fd] = this;
  }

  /** An event from the reactor: whoever waits tries again. */
  notify(events: number): void {
    if ((events & EXCEPTIONAL) !== 0) this.exceptional = true;
    if ((events & (READABLE | EXCEPTIONAL)) !== 0) {
      this.mayRead = true;
      this.reader?.resume();
    }
    if ((events & (WRITABLE | EXCEPTIONAL)) !== 0) {
      this.mayWrite = true;
      this.writer?.resume();
    }
  }

  /**
   * The buffer was not filled: nothing is left to read until the next event, unless one has come
   * that is the last.
   */
  drained(): void {
    if (!this.exceptional) this.mayRead = false;
  }

  /** Why a call in this direction cannot begin; null if it can. */
  refusal(direction: 'read' | 'write', method: string): Error | null {
    if (this.fd < 0 || this.closing)
      return new ClosedResourceError(`${method}() called after close`);
    const other = direction === 'read' ? this.reader : this.writer;
    if (other !== null) {
      const what = direction === 'read' ? 'receiving' : 'sending';
      return new BusyResourceError(
        `${method}() called while another task is ${what} already (${other.describe()})`,
      );
    }
    if (direction === 'write' && this.broken) {
      return new InvalidStateError(
        `${method}() called after a send that was given up half-way: only aclose() is left`,
      );
    }
    return null;
  }

  /**
   * Whoever waits is told that it was closed; then the watch ends, then the fd. Idempotent. 0, or
   * the code of close(2).
   */
  close(): number {
    const { fd } = this;
    if (fd < 0) return 0;
    forget(this);
    // Before anybody is told: nobody is to see an fd that is closed for them and open for the
    // kernel.
    const status = this.reactor.native.close(fd);
    loseAll(this, 'closed');
    return status;
  }

  /** Gives up the fd, open. -1 if there is none any more. */
  detach(): number {
    const { fd } = this;
    if (fd < 0) return -1;
    forget(this);
    this.reactor.native.release(fd);
    loseAll(this, 'detached');
    return fd;
  }

  /**
   * The kernel has given its number out again, so somebody has closed the fd behind its back
   * (`fs.closeSync`). The number is another's now: this owner lets go of it, without any system
   * call.
   */
  evict(): void {
    forget(this);
    loseAll(this, 'closed by other means');
  }

  /**
   * A graceful close has begun: nothing new starts, whoever waits to receive is told, and only the
   * send under way goes on.
   */
  stopReading(): void {
    this.closing = true;
    lose(this.reader, 'closed');
  }
}

function forget(descriptor: Descriptor): void {
  if (descriptor.slot >= 0) descriptor.reactor.forget(descriptor);
  owners[descriptor.fd] = undefined;
  descriptor.fd = -1;
}

function loseAll({ reader, writer }: Descriptor, how: string): void {
  lose(reader, how);
  lose(writer, how);
}

function lose(operation: IoOperation<unknown> | null, how: string): void {
  if (operation === null) return;
  // One cancellation may reach the close before it reaches what the close cuts off: that is
  // cancelled all the same.
  const cancellation = operation.scope?.cancellation ?? null;
  if (cancellation !== null) {
    operation.cancel(cancellation);
    return;
  }
  operation.withdraw();
  operation.lose(
    new ClosedResourceError(
      `The socket was ${how} while a task was waiting on it (${operation.syscall})`,
    ),
  );
}

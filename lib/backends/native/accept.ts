import { getSystemErrorName } from 'node:util';
import { systemError } from '../../errors';
import type { AcceptWarning } from '../../networking/accept-warning';
import type { Descriptor } from '../../socket/descriptor';
import { IoOperation, WOULD_BLOCK } from '../../socket/io-operation';
import { currentScope, outsideOfTasks } from '../../waiting/context';
import { cancelled, isCancelled, rejected } from '../../waiting/operation';
import { spend } from '../../waiting/turn-budget';

/**
 * Connections accepted in one step: enough to spread the cost of an event, few enough to let
 * handlers begin.
 */
const BATCH = 64;

/** The process or the system is at a limit. Only waiting helps. */
const CAPACITY_ERRORS: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);
const PAUSE_MS = 100;

/**
 * The connection at the head of the queue has failed before it was accepted. The next one may be
 * intact. accept(2) lists these codes: accept reports errors that are pending on the new socket,
 * and they are to be treated like EAGAIN.
 */
const CONNECTION_ERRORS: ReadonlySet<string> = new Set([
  'ECONNABORTED', 'ECONNRESET', 'EPERM', 'EPROTO', 'ENETDOWN', 'ENOPROTOOPT', 'EHOSTDOWN', 'ENONET', 'EHOSTUNREACH',
  'EOPNOTSUPP', 'ENETUNREACH', 'ESOCKTNOSUPPORT', 'EPROTONOSUPPORT', 'ETIMEDOUT',
]); // prettier-ignore

/**
 * Failed connections that one step skips. An error that does not go away then leads to a pause, not
 * to an endless loop.
 */
const MAX_FAILED_CONNECTIONS = 1024;

/**
 * A checkpoint: accepts the waiting connections, at least one and at most `most`. The caller owns
 * the fds. A shortage of fds or memory does not reject: `warning` tells of it, and the call goes on
 * after a pause.
 */
export function accept(
  descriptor: Descriptor,
  warning: AcceptWarning,
  most = BATCH,
): Promise<number[]> {
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  const usageError = descriptor.usageError('read', 'serve');
  if (usageError !== null) return rejected(usageError);
  return new Accept(descriptor, warning, Math.min(most, BATCH)).enter(scope).begin().promise;
}

class Accept extends IoOperation<number[]> {
  readonly syscall = 'accept';
  /** Runs after an error that only waiting helps against. */
  #pause: NodeJS.Timeout | null = null;
  readonly #warning: AcceptWarning;
  readonly #most: number;

  constructor(descriptor: Descriptor, warning: AcceptWarning, most: number) {
    super(descriptor, 'read');
    this.#warning = warning;
    this.#most = most;
  }

  begin(): this {
    const isReady = this.descriptor.isReady('read');
    const isNow = isReady && spend();
    this.park(!isNow && isReady);
    if (isNow) this.resume();
    return this;
  }

  protected attempt(): number[] | typeof WOULD_BLOCK {
    const { descriptor } = this;
    const { reactor } = descriptor;
    const fds: number[] = [];
    let failed = 0;
    while (fds.length < this.#most) {
      const fd = reactor.native.accept(descriptor.fd);
      if (fd >= 0) {
        fds.push(fd);
        // Each connection is work for a handler. A flood of them must leave other tasks their turn.
        spend();
        continue;
      }
      if (descriptor.wouldBlock('read', fd)) break;
      const code = getSystemErrorName(fd);
      const isConnections = CONNECTION_ERRORS.has(code);
      if (isConnections && ++failed < MAX_FAILED_CONNECTIONS) continue;
      // The connections accepted so far are served first. The error will come again.
      if (fds.length > 0) break;
      if (!isConnections && !CAPACITY_ERRORS.has(code)) throw systemError(fd, 'accept');
      this.#pauseFor(code);
      break;
    }
    return fds.length > 0 ? fds : WOULD_BLOCK;
  }

  /**
   * During a pause, an event or a new turn would only lead to the same error. The descriptor stays
   * ready: connections that wait already bring no further event.
   */
  override resume(): void {
    if (this.#pause === null) super.resume();
  }

  override withdraw(): void {
    if (this.#pause !== null) clearTimeout(this.#pause);
    super.withdraw();
  }

  /** The reactor needs fds and memory, too. */
  override refused(status: number): void {
    const code = getSystemErrorName(status);
    if (CAPACITY_ERRORS.has(code)) this.#pauseFor(code);
    else super.refused(status);
  }

  #pauseFor(code: string): void {
    this.#warning.warn(`accept returned ${code}; retrying every ${PAUSE_MS} ms`);
    this.#pause = outsideOfTasks(() =>
      setTimeout(() => {
        this.#pause = null;
        this.resume();
      }, PAUSE_MS),
    );
  }
}

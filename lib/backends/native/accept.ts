import { getSystemErrorName } from 'node:util';
import { EAGAIN } from '../../errno';
import { systemError } from '../../errors';
import type { Descriptor } from '../../socket/descriptor';
import { IoOperation, WOULD_BLOCK, wouldBlock } from '../../socket/io-operation';
import { currentScope } from '../../waiting/context';
import { cancelled, isCancelled } from '../../waiting/operation';
import { spend } from '../../waiting/turn-budget';

/**
 * Connections accepted in one step: enough to spread the cost of a wake-up, few enough to let
 * handlers begin.
 */
const BATCH = 64;

/** The process or the system is at its limit: waiting helps, and nothing else does. */
const CAPACITY_ERRORS: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);
const PAUSE_MS = 100;

/**
 * The connection at the head of the queue has failed before it was accepted; the next one need not.
 * accept(2) names them: errors that are pending on the new socket are reported by accept, and are
 * to be treated like EAGAIN.
 */
const CONNECTION_ERRORS: ReadonlySet<string> = new Set([
  'ECONNABORTED', 'ECONNRESET', 'EPERM', 'EPROTO', 'ENETDOWN', 'ENOPROTOOPT', 'EHOSTDOWN', 'ENONET', 'EHOSTUNREACH',
  'EOPNOTSUPP', 'ENETUNREACH', 'ESOCKTNOSUPPORT', 'EPROTONOSUPPORT', 'ETIMEDOUT',
]); // prettier-ignore

/**
 * Failed connections passed over in one step: an error that does not go away must not become an
 * endless loop, but a pause.
 */
const MAX_FAILED_CONNECTIONS = 1024;

/** A checkpoint: the connections that wait, at least one. The fds are the caller's. */
export function accept(descriptor: Descriptor): Promise<number[]> {
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  const refusal = descriptor.refusal('read', 'serve');
  if (refusal !== null) return Promise.reject(refusal);
  return new Accept(descriptor).enter(scope).begin().promise;
}

class Accept extends IoOperation<number[]> {
  readonly syscall = 'accept';
  /** Runs while nothing is to be had. */
  #pause: NodeJS.Timeout | null = null;
  #hasWarned = false;

  constructor(descriptor: Descriptor) {
    super(descriptor, 'read');
  }

  begin(): this {
    const { mayRead } = this.descriptor;
    const ready = mayRead && spend();
    this.park(!ready && mayRead);
    if (ready) this.resume();
    return this;
  }

  protected attempt(): number[] | typeof WOULD_BLOCK {
    const { descriptor } = this;
    const { reactor } = descriptor;
    const fds: number[] = [];
    let failed = 0;
    while (fds.length < BATCH) {
      const fd = reactor.native.accept(descriptor.fd);
      if (fd >= 0) {
        fds.push(fd);
        // Each is work for the handlers: a flood of them is to leave the others their turn.
        spend();
        continue;
      }
      if (fd === EAGAIN) {
        wouldBlock(descriptor, 'read');
        break;
      }
      const code = getSystemErrorName(fd);
      const isConnections = CONNECTION_ERRORS.has(code);
      if (isConnections && ++failed < MAX_FAILED_CONNECTIONS) continue;
      // What was accepted already is served first; the error comes again.
      if (fds.length > 0) break;
      if (!isConnections && !CAPACITY_ERRORS.has(code)) throw systemError(fd, 'accept');
      this.#pauseFor(code);
      return wouldBlock(descriptor, 'read');
    }
    return fds.length > 0 ? fds : WOULD_BLOCK;
  }

  /** A connection that comes during the pause would only meet the same lack. */
  override resume(): void {
    if (this.#pause === null) super.resume();
  }

  override withdraw(): void {
    if (this.#pause !== null) clearTimeout(this.#pause);
    super.withdraw();
  }

  #pauseFor(code: string): void {
    // Once: a lack that lasts would fill the log.
    if (!this.#hasWarned) {
      this.#hasWarned = true;
      process.emitWarning(`accept returned ${code}; retrying every ${PAUSE_MS} ms`, {
        type: 'SockscopeWarning',
        code: 'SOCKSCOPE_ACCEPT',
      });
    }
    this.#pause = setTimeout(() => {
      this.#pause = null;
      this.resume();
    }, PAUSE_MS);
  }
}

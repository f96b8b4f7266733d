import { systemError } from '../errors';
import { spend } from '../waiting/turn-budget';
import { IoOperation, WOULD_BLOCK } from './io-operation';

/** Waits until a call in one direction would not block. Makes no such call itself. */
export class Readiness extends IoOperation<void> {
  readonly syscall = 'poll';

  override describe(): string {
    return `${this.direction === 'read' ? 'readable' : 'writable'} on fd ${String(this.descriptor.fd)}`;
  }

  protected attempt(): undefined | typeof WOULD_BLOCK {
    // An event may be older than the call that drained the socket, so the kernel is asked.
    const ready = this.descriptor.poll(this.direction);
    if (ready < 0) throw systemError(ready, 'poll');
    return ready === 0 ? WOULD_BLOCK : undefined;
  }

  /** Resolves at once if the descriptor is ready and the turn's budget allows it, else waits. */
  start(): this {
    if (!spend()) return this.park(true);
    let result: undefined | typeof WOULD_BLOCK;
    try {
      result = this.attempt();
    } catch (error) {
      this.fail(error);
      return this;
    }
    if (result !== undefined) return this.park(false);
    this.settle(undefined);
    return this;
  }
}

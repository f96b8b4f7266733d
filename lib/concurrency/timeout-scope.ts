import { TimeoutError } from '../errors';
import type { Awaitable } from './awaitable';
import { CancelScope } from './cancel-scope';

/**
 * A cancel scope that says so: where another would end quietly, its `run` rejects with a
 * TimeoutError. Made by `timeout` and `timeoutAt` of a backend.
 */
export class TimeoutScope extends CancelScope {
  /**
   * Like `CancelScope.run`, but where this scope's cancellation ended `body` it rejects with
   * TimeoutError (`ETIMEDOUT`), whose cause is that cancellation. A body that ends by itself after
   * the deadline is in time, and a cancellation from outside stays one.
   */
  override run<R>(body: (scope: this) => Awaitable<R>): Promise<R> {
    // Undefined only comes of `absorbed`, which throws.
    return super.run(body) as Promise<R>;
  }

  protected override absorbed(): never {
    throw new TimeoutError('timed out', { cause: this.ownCancellation });
  }

  /** @internal */
  override describe(): string {
    return 'timeout';
  }
}

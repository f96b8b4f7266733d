import type * as contract from '../contract/scopes';
import type { Awaitable } from '../contract/tasks';
import { TimeoutError } from '../errors';
import { CancelScope } from './cancel-scope';

/**
 * A cancel scope that says so: where another would end quietly, its `run` rejects with a
 * TimeoutError. Made by `timeout` and `timeoutAt` of a backend.
 */
export class TimeoutScope extends CancelScope implements contract.TimeoutScope {
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

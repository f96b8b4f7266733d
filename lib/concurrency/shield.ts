import { markHandled } from '../internal/operation';
import { checkFunction } from '../internal/validate';
import type { Awaitable } from './awaitable';
import { callIn } from './call-in';
import { isCancellation } from './cancellation';
import { ScopeNode } from './scope-node';

class Shield extends ScopeNode {
  override readonly isShield: boolean = true;

  describe(): string {
    return 'shield';
  }
}

/**
 * Runs `fn` shielded, in the same task: no scope outside of it reaches its checkpoints. Scopes opened inside work as everywhere.
 * Its result and its error pass through as they are.
 *
 * Not a checkpoint: what was cancelled meanwhile feels it at the next one after this.
 */
export function ignoreCancellation<R>(fn: () => Awaitable<R>): Promise<R> {
  const shield = new Shield();
  try {
    checkFunction('fn', fn);
  } catch (error) {
    return Promise.reject<R>(error);
  }
  shield.enter();
  const result = callIn(shield, fn);
  if (!(result instanceof Promise)) {
    shield.leave();
    return Promise.resolve(result);
  }
  const running: Promise<R> = result.then(
    (value) => {
      shield.leave();
      return value;
    },
    (error: unknown) => {
      shield.leave();
      if (isCancellation(error)) markHandled(running);
      throw error;
    },
  );
  return running;
}

import type { Awaitable } from '../contract/tasks';
import { checkFunction } from '../arguments/validate';
import { BodyScope } from './body-scope';

class Shield extends BodyScope {
  override get isShield(): boolean {
    return true;
  }

  describe(): string {
    return 'shield';
  }
}

/**
 * Runs `fn` shielded, in the same task: no scope outside of it reaches its checkpoints. Scopes
 * opened inside work as everywhere. Its result and its error pass through as they are.
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
  return shield.runBody(fn, undefined);
}

import { markHandled } from '../internal/operation';
import { checkFunction } from '../internal/validate';
import type { Awaitable } from './awaitable';
import { type Enclosure, runIn } from './call-in';
import { isCancellation } from './cancellation';
import { ScopeNode } from './scope-node';

class Shield extends ScopeNode implements Enclosure {
  running: Promise<unknown> | null = null;

  override get isShield(): boolean {
    return true;
  }

  bodyEnded(value: unknown): unknown {
    this.leave();
    return value;
  }

  bodyFailed(error: unknown): never {
    this.leave();
    if (isCancellation(error) && this.running !== null) markHandled(this.running);
    throw error;
  }

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
  const running = runIn(shield, fn);
  shield.running = running;
  return running;
}

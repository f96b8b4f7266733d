import { handedOver, without } from './failure';
import type { Failure, Outcome } from './failure';
import { belongsTo, cancellerOf } from './scope';
import type { Scope } from './scope';

export const isOf =
  (scope: Scope) =>
  (leaf: Failure): boolean =>
    leaf.kind === 'cancelled' && belongsTo(leaf.by, scope);

/**
 * The outcome of a scope. If a scope around it is cancelled, too, the outer scope absorbs the
 * cancellation. Otherwise this scope does, and absorbs only its own.
 */
export function leave(scope: Scope, outcome: Outcome): Outcome | 'absorbed' {
  if ('value' in outcome) return outcome;
  const { failure } = outcome;
  const outer = cancellerOf(scope.parent);
  if (outer !== null) return { failure: handedOver(failure, scope, outer) };
  if (!scope.cancelCalled) return outcome;
  const left = without(failure, isOf(scope));
  if (left !== failure) scope.cancelledCaught = true;
  return left === null ? 'absorbed' : { failure: left };
}

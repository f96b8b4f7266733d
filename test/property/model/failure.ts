import { belongsTo, cancellerOf, isAround } from './scope';
import type { Scope } from './scope';

/** An error, reduced to what the semantics depend on. */
export type Failure =
  /** An error of the program itself, by name. */
  | { readonly kind: 'error'; readonly name: string }
  /**
   * A CancelledError, with the scope that it belongs to; one made by the program belongs to none.
   * Or an AbortError with such a cause (foreign): it counts as a cancellation only within that
   * scope, and elsewhere as an error like any other.
   */
  | { readonly kind: 'cancelled'; readonly by: Scope | null; readonly isForeign?: boolean }
  | { readonly kind: 'timeout' }
  /** The error of a call that the state does not allow. */
  | { readonly kind: 'misuse' }
  | { readonly kind: 'aggregate'; readonly errors: readonly Failure[] };

export type Outcome = { readonly value: string } | { readonly failure: Failure };

/** The exception that carries a failure through the model. */
export class Thrown {
  constructor(readonly failure: Failure) {}
}

export const misuse: Failure = { kind: 'misuse' };
export const cancelledBy = (by: Scope | null): Failure => ({ kind: 'cancelled', by });

/** A failure as text. The errors of an aggregate have no order. */
export function describe(failure: Failure): string {
  switch (failure.kind) {
    case 'error':
      return failure.name;
    case 'aggregate':
      return `aggregate(${failure.errors.map(describe).sort().join(', ')})`;
    default:
      return failure.kind;
  }
}

/** As `describe`, with details that are not visible from outside. */
export function fingerprint(failure: Failure): string {
  if (failure.kind === 'aggregate') return `(${failure.errors.map(fingerprint).join()})`;
  return failure.kind === 'cancelled'
    ? `cancelled by ${String(failure.by?.name)} ${String(failure.isForeign)}`
    : describe(failure);
}

export const describeOutcome = (outcome: Outcome): string =>
  'value' in outcome ? outcome.value : describe(outcome.failure);

function isCancelledLeaf(leaf: Failure, at: Scope): boolean {
  if (leaf.kind !== 'cancelled') return false;
  return (
    leaf.isForeign !== true ||
    isAround(leaf.by, at) ||
    (cancellerOf(at) !== null && belongsTo(leaf.by, at))
  );
}

/**
 * Whether the failure counts as a cancellation for a task or body in the scope `at`. An aggregate
 * of cancellations alone does.
 */
export function isCancellation(failure: Failure, at: Scope): boolean {
  if (failure.kind !== 'aggregate') return isCancelledLeaf(failure, at);
  return failure.errors.length > 0 && failure.errors.every((error) => isCancellation(error, at));
}

/** An aggregate of cancellations alone ends a task as its first one does. */
export const asOne = (failure: Failure): Failure =>
  failure.kind === 'aggregate' ? asOne(failure.errors[0]!) : failure;

/**
 * The failure without the parts that `unwanted` selects, at any depth: null if no part is left, the
 * same object if none was removed.
 */
export function without(failure: Failure, unwanted: (leaf: Failure) => boolean): Failure | null {
  if (failure.kind !== 'aggregate') return unwanted(failure) ? null : failure;
  const errors = failure.errors.map((error) => without(error, unwanted));
  if (errors.every((error, index) => error === failure.errors[index])) return failure;
  const left = errors.filter((error) => error !== null);
  return left.length === 0 ? null : { kind: 'aggregate', errors: left };
}

export const withoutCancellations = (failure: Failure, at: Scope): Failure | null =>
  without(failure, (leaf) => isCancelledLeaf(leaf, at));

/** The failure, with the cancellations of one scope turned into those of another. */
export function handedOver(failure: Failure, from: Scope, to: Scope): Failure {
  if (failure.kind === 'cancelled')
    return belongsTo(failure.by, from) ? { ...failure, by: to } : failure;
  if (failure.kind === 'aggregate')
    return {
      kind: 'aggregate',
      errors: failure.errors.map((error) => handedOver(error, from, to)),
    };
  return failure;
}

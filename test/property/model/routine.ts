import { describeOutcome, Thrown } from './failure';
import type { Outcome } from './failure';
import type { Fiber, Request, Routine } from './machine';
import type { Scope } from './scope';
import type { ModelTask } from './tasks';

/** Where a statement is executed: by which line of execution, in which task and scope. */
export interface Place {
  readonly fiber: Fiber;
  readonly task: ModelTask;
  readonly scope: Scope;
}

/**
 * Something that shows. It is worked out when it is seen, since until then others may change it;
 * what was seen comes back.
 */
export const see = (
  node: number,
  accepts: string | (() => readonly string[]),
  mayGoOn = (): boolean => true,
): Request => ({
  kind: 'emit',
  node,
  accepts: typeof accepts === 'string' ? () => [accepts] : accepts,
  mayGoOn,
  isSettled: typeof accepts === 'string',
});

/** How something ended. */
export const seeOutcome = (node: number, outcome: Outcome, before = ''): Request => ({
  kind: 'emit',
  node,
  accepts: () => [before + describeOutcome(outcome)],
  mayGoOn: () => true,
  isSettled: true,
  outcome,
});

/** A moment that does not show. */
export const step: Request = { kind: 'step' };

/** Runs a routine to its end, however it ends. */
export function* attempt(routine: Routine<void>, value: string): Routine<Outcome> {
  try {
    yield* routine;
    return { value };
  } catch (error) {
    if (error instanceof Thrown) return { failure: error.failure };
    throw error;
  }
}

/** Shows how a statement ended, and lets its failure go on. */
export function* conclude(node: number, outcome: Outcome): Routine<void> {
  yield seeOutcome(node, outcome);
  if ('failure' in outcome) throw new Thrown(outcome.failure);
}

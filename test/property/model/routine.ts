import { describeOutcome, Thrown } from './failure';
import type { Outcome } from './failure';
import type { Fiber, Request, Routine } from './machine';
import type { Scope } from './scope';
import type { ModelTask } from './tasks';

/** The place of a statement: its line of execution, its task and its scope. */
export interface Place {
  readonly fiber: Fiber;
  readonly task: ModelTask;
  readonly scope: Scope;
}

/**
 * An observable event. The allowed events are computed when it is observed, since other tasks may
 * change them until then. Returns the event that was observed.
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

/** The result of a statement or a call. */
export const seeOutcome = (node: number, outcome: Outcome, before = ''): Request => ({
  kind: 'emit',
  node,
  accepts: () => [before + describeOutcome(outcome)],
  mayGoOn: () => true,
  isSettled: true,
  outcome,
});

/** An internal step, which cannot be observed. */
export const step: Request = { kind: 'step' };

/** Runs a routine to its end, and returns its value or its failure. */
export function* attempt(routine: Routine<void>, value: string): Routine<Outcome> {
  try {
    yield* routine;
    return { value };
  } catch (error) {
    if (error instanceof Thrown) return { failure: error.failure };
    throw error;
  }
}

/** Makes the end of a statement observable, and rethrows its failure. */
export function* conclude(node: number, outcome: Outcome): Routine<void> {
  yield seeOutcome(node, outcome);
  if ('failure' in outcome) throw new Thrown(outcome.failure);
}

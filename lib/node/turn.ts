import { outsideOfTasks } from '../internal/context';

/**
 * How many operations may complete at once, without waiting, in one turn of the event loop. Promises that are ready run before timers and I/O:
 * without a bound, one flooding peer would starve both.
 */
const OPERATIONS_PER_TURN = 256;

let budget = OPERATIONS_PER_TURN;
let isTurnDue = false;
let deferred: (() => void)[] = [];

function nextTurn(): void {
  isTurnDue = false;
  budget = OPERATIONS_PER_TURN;
  const due = deferred;
  deferred = [];
  for (const resume of due) resume();
}

/** True if one more operation may complete at once in this turn. */
export function spend(): boolean {
  if (!isTurnDue) {
    isTurnDue = true;
    outsideOfTasks(() => setImmediate(nextTurn));
  }
  return --budget >= 0;
}

/** Calls `resume` in the next turn, after timers and I/O had theirs. To be called when `spend()` was false. */
export function defer(resume: () => void): void {
  deferred.push(resume);
}

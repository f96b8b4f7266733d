import { outsideOfTasks } from './context';

/**
 * How many operations may complete at once, without waiting; the next one waits for a real turn of
 * the event loop. Promises that are ready run before timers and I/O: without a bound, one flooding
 * peer would starve both.
 */
const OPERATIONS_PER_TURN = 256;

let budget = OPERATIONS_PER_TURN;
let deferred: (() => void)[] = [];

function nextTurn(): void {
  budget = OPERATIONS_PER_TURN;
  const due = deferred;
  deferred = [];
  for (const resume of due) resume();
}

/**
 * True if one more operation may complete at once. Only `defer` brings the turn that renews the
 * budget.
 */
export function spend(): boolean {
  return --budget >= 0;
}

/**
 * Calls `resume` in the next turn, after timers and I/O had theirs. To be called when `spend()` was
 * false.
 */
export function defer(resume: () => void): void {
  if (deferred.length === 0) outsideOfTasks(() => setImmediate(nextTurn));
  deferred.push(resume);
}

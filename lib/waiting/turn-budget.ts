import { outsideOfTasks } from './context';

/**
 * The turn budget: how many operations may complete in one turn of the event loop without waiting
 * for it. Node.js runs promise callbacks before timers and I/O. A task whose operations all
 * complete at once would therefore starve every timer and every other connection. When the budget
 * is spent, an operation is deferred to the next turn although it could complete now.
 *
 * Both backends share this one budget. A new turn renews it: the turn that `defer` brings, and each
 * delivery of events by the reactor.
 */

/** As system calls, these take about a millisecond. */
const OPERATIONS_PER_TURN = 256;

/** An operation, or a queue of them, that can go on in the next turn. */
export interface Deferred {
  resume(): void;
}

let budget = OPERATIONS_PER_TURN;
let deferred: Deferred[] = [];

/** Charges one operation. False if the budget was spent before: the operation is to be deferred. */
export function spend(): boolean {
  return --budget >= 0;
}

/** A new turn has begun: the budget is full again. */
export function renew(): void {
  budget = OPERATIONS_PER_TURN;
}

/**
 * Calls `operation.resume()` in the next turn of the event loop, after timers and I/O have run, and
 * renews the budget for it. `resume` must not throw.
 */
export function defer(operation: Deferred): void {
  // The immediate serves the operations of many tasks: it must not carry the context of the first.
  if (deferred.push(operation) === 1) outsideOfTasks(scheduleTurn);
}

function scheduleTurn(): void {
  setImmediate(runDeferred);
}

function runDeferred(): void {
  const operations = deferred;
  // An operation that defers itself again waits for the turn after this one.
  deferred = [];
  renew();
  for (const operation of operations) operation.resume();
}

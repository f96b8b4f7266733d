import { outsideOfTasks } from './context';

/**
 * The turn budget: how many checkpoints may end in one turn of the event loop without waiting for
 * it. Node.js runs promise callbacks before timers and I/O. A task whose checkpoints all end at
 * once would therefore starve every timer and every other connection. When the budget is spent, a
 * checkpoint is deferred to the next turn although it could end now.
 *
 * Every checkpoint that the event loop does not end itself is charged: one that makes a system call
 * when the call is made, any other when it ends (see `resolved`, `rejected` and `settleInTurn` in
 * operation.ts). That holds for a checkpoint that another task ends, too: two tasks that wake each
 * other would else never return to the event loop.
 *
 * All backends share this one budget. A new turn renews it: the turn that `defer` brings, one that
 * a yield has waited for, and each delivery of events by the reactor.
 */

/**
 * As checkpoints without a system call, these take about a millisecond. A turn of the event loop
 * costs some microseconds: with fewer steps, locks and events would cost noticeably more.
 */
const STEPS_PER_TURN = 4096;
/** The price of a system call: 256 of them take about a millisecond, too. */
const STEPS_PER_CALL = 16;

/** An operation, or a queue of them, that can go on in the next turn. */
export interface Deferred {
  resume(): void;
}

let budget = STEPS_PER_TURN;
let deferred: Deferred[] = [];
/** Brings the turn that `deferred` waits for. */
let scheduled: NodeJS.Immediate | undefined;

/**
 * Charges one operation with a system call. False if the budget was spent before: the operation is
 * to be deferred.
 */
export function spend(): boolean {
  return (budget -= STEPS_PER_CALL) >= 0;
}

/** As `spend`, for a checkpoint that makes no system call. */
export function spendStep(): boolean {
  return --budget >= 0;
}

/** A new turn has begun: the budget is full again. */
export function renew(): void {
  budget = STEPS_PER_TURN;
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
  scheduled = setImmediate(beginTurn);
}

/**
 * A new turn of the event loop has come: what was deferred to it goes on, and the budget is full
 * again. Yields call this before they end, since what was deferred was ready before them.
 * @returns whether anything was deferred
 */
export function beginTurn(): boolean {
  const operations = deferred;
  // An operation that defers itself again waits for the turn after this one, also if a yield has
  // come before the immediate.
  deferred = [];
  clearImmediate(scheduled);
  scheduled = undefined;
  renew();
  for (const operation of operations) operation.resume();
  return operations.length > 0;
}

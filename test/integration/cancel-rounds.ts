import { expect } from 'vitest';
import type { AsyncStreamTransport, CancelScope } from '#lib/index';
import { nativeBinding } from '#lib/binding';
import { backend } from './native-kit';

/** With the poll reactor each round costs more, so that fewer rounds take as long. */
export const rounds = nativeBinding().reactorKind() === 'epoll' ? 10_000 : 2_000;

/** At least so many rounds must be cancelled while they wait, and so many must complete. */
export const ENOUGH = 100;

export interface Tally {
  cancelled: number;
  completed: number;
}

/** The scope that the peer's next tick cancels. Tick and data arrive in one batch of events. */
let onTick: CancelScope | null = null;

/** Cancels at each tick, until the stream of ticks ends. */
export async function followTicks(ticker: AsyncStreamTransport): Promise<void> {
  const buffer = new Uint8Array(1);
  while ((await ticker.recvInto(buffer)) > 0) onTick?.cancel();
}

/**
 * Runs `operation` in a scope that is cancelled at some time: before its next step, a few
 * microtasks or a turn of the loop later, or only after its end. Resolves to undefined if the
 * cancellation ended it.
 */
export async function cancelSometime<T>(
  random: (limit: number) => number,
  tally: Tally,
  operation: () => Promise<T>,
): Promise<T | undefined> {
  const scope = backend.openCancelScope();
  const running = scope.run(operation);
  switch (random(6)) {
    case 0:
      scope.cancel();
      break;
    case 1:
      for (let i = random(6); i > 0; i--) await Promise.resolve();
      scope.cancel();
      break;
    case 2:
      await backend.coroYield();
      scope.cancel();
      break;
    case 3:
      scope.reschedule(backend.currentTime() + random(3) / 4);
      break;
    case 4:
      onTick = scope;
      break;
    default:
      break;
  }
  const result = await running;
  onTick = null;
  tally[scope.cancelledCaught() ? 'cancelled' : 'completed']++;
  return result;
}

/**
 * Serves for no time, a few microtasks, some turns of the loop, or (seldom, since a timer takes a
 * millisecond) a while.
 */
export async function serveForAWhile(
  random: (limit: number) => number,
  tally: Tally,
  serve: () => Promise<never>,
): Promise<void> {
  const scope = random(20) === 0 ? backend.moveOnAfter(1) : backend.openCancelScope();
  const serving = scope.run(serve);
  if (scope.when() === Infinity) {
    if (random(2) === 0) for (let i = random(6); i > 0; i--) await Promise.resolve();
    else for (let i = random(6); i > 0; i--) await backend.coroYield();
    scope.cancel();
  }
  await serving;
  tally.cancelled++;
}

/**
 * Whether another round follows: after `rounds` of them, only while too few were cancelled or too
 * few completed. How many that takes depends on the speed of the peer.
 */
export function needsRound(round: number, { cancelled, completed }: Tally): boolean {
  return round < rounds || (round < 20 * rounds && Math.min(cancelled, completed) <= ENOUGH);
}

export function expectBoth({ cancelled, completed }: Tally): void {
  expect(cancelled).toBeGreaterThan(ENOUGH);
  expect(completed).toBeGreaterThan(ENOUGH);
}

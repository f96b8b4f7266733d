import type { AsyncBackend } from '../contract/backend';
import { CancelledError } from '../errors';

/** RFC 8305, 5: the head start of an attempt before the next one begins. */
export const DEFAULT_DELAY_MS = 250;

/**
 * RFC 8305, 4: families alternate, IPv6 first; within a family the resolver's order (RFC 6724)
 * holds.
 */
export function interleave<T extends { readonly family: number }>(
  candidates: readonly T[],
  firstFamily: number,
): T[] {
  const first = candidates.filter(({ family }) => family === firstFamily);
  const second = candidates.filter(({ family }) => family !== firstFamily);
  const result: T[] = [];
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    if (i < first.length) result.push(first[i] as T);
    if (i < second.length) result.push(second[i] as T);
  }
  return result;
}

/**
 * Tries candidates in a staggered race: the next begins when the one before has failed, or `delay`
 * ms after it began. The first success wins, the others are cancelled; one that succeeds too late
 * is discarded. All refused: an error as `combineErrors` makes it. An error that is no refusal is a
 * defect, and ends the race.
 */
export async function race<C, T>(
  backend: AsyncBackend,
  candidates: readonly C[],
  delay: number,
  attempt: (candidate: C) => Promise<T>,
  discard: (late: T) => void,
): Promise<T> {
  if (candidates.length === 1) return attempt(candidates[0] as C);
  const errors: unknown[] = [];
  const winners: T[] = [];
  const group = backend.createTaskGroup();
  try {
    await group.run(async () => {
      for (const [index, candidate] of candidates.entries()) {
        const ended = backend.createEvent();
        group.startSoon(async () => {
          try {
            winners.push(await attempt(candidate));
            group.cancelScope.cancel();
          } catch (error) {
            if (error instanceof CancelledError || !isRefusal(error)) throw error;
            errors[index] = error;
          }
          ended.set();
        });
        await backend.moveOnAfter(delay).run(() => ended.wait());
      }
    });
  } catch (error) {
    // Cancelled from outside, in the very turn in which one had won.
    for (const late of winners) discard(late);
    throw error;
  }
  const [winner, ...late] = winners;
  for (const connection of late) discard(connection);
  if (winners.length > 0) return winner as T;
  throw combineErrors(errors, 'all connection attempts failed');
}

/**
 * Whether the system refused one address, be it in several ways: then the next may do. A
 * cancellation, or a defect, is no refusal.
 */
export function isRefusal(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isRefusal);
  return typeof (error as { errno?: unknown } | null)?.errno === 'number';
}

/**
 * One error as it is; several as a flat AggregateError with the `code` of the first, as node:net
 * does.
 */
export function combineErrors(errors: readonly unknown[], message: string): unknown {
  const failures = errors
    .filter((error) => error !== undefined)
    .flatMap((error) => (error instanceof AggregateError ? (error.errors as unknown[]) : [error]));
  if (failures.length === 1) return failures[0];
  const { code } = (failures[0] ?? {}) as { code?: string };
  const messages = failures.map((error) =>
    error instanceof Error ? error.message : String(error),
  );
  const aggregate = new AggregateError(failures, `${message}: ${messages.join('; ')}`);
  return code === undefined ? aggregate : Object.assign(aggregate, { code });
}

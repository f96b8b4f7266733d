import type { AsyncBackend } from '../contract/backend';
import { CancelledError, isAggregateError, isError } from '../errors';

/** The head start of an attempt before the next one begins (RFC 8305, section 5). */
export const DEFAULT_DELAY_MS = 250;

/**
 * Orders addresses so that families alternate (RFC 8305, section 4). Within a family, the order of
 * the resolver (RFC 6724) stays.
 */
export function interleave<T extends { readonly family: unknown }>(
  candidates: readonly T[],
  firstFamily: T['family'],
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
 * Tries candidates in a staggered race. Each attempt begins when the attempt before has failed, or
 * `delay` ms after that attempt began. The first success wins: the other attempts are cancelled,
 * and a connection that they still make is discarded.
 * @throws if the system refused all candidates, what `combineErrors` makes of the errors; at once,
 *   any error that is no refusal (`isRefusal`)
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
    // A cancellation from outside came in the same turn as the success.
    for (const late of winners) discard(late);
    throw error;
  }
  const [winner, ...late] = winners;
  for (const connection of late) discard(connection);
  if (winners.length > 0) return winner as T;
  throw combineErrors(errors, 'all connection attempts failed');
}

/**
 * Whether the system refused an address, so that another address may still work: a system error, or
 * an AggregateError of nothing else. A cancellation is no refusal, and neither is a defect.
 */
export function isRefusal(error: unknown): boolean {
  if (isAggregateError(error)) return error.errors.every(isRefusal);
  return typeof (error as { errno?: unknown } | null)?.errno === 'number';
}

/**
 * Makes one error of several: a flat AggregateError with the `code` of the first, as node:net does.
 * A single error stays as it is.
 */
export function combineErrors(errors: readonly unknown[], message: string): unknown {
  const failures = errors
    .filter((error) => error !== undefined)
    .flatMap((error) => (isAggregateError(error) ? (error.errors as unknown[]) : [error]));
  if (failures.length === 1) return failures[0];
  const { code } = (failures[0] ?? {}) as { code?: string };
  const messages = failures.map((error) => (isError(error) ? error.message : String(error)));
  const aggregate = new AggregateError(failures, `${message}: ${messages.join('; ')}`);
  return code === undefined ? aggregate : Object.assign(aggregate, { code });
}

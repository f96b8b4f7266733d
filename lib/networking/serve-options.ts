import {
  checkBoolean,
  checkChoice,
  checkFunction,
  checkInteger,
  invalidArgument,
} from '../arguments/validate';
import type { ServeOptions } from '../contract/listeners';
import type { TaskGroup } from '../contract/tasks';

/** The options of `serve`, with their defaults. */
export interface CheckedServeOptions<T> extends Required<
  Omit<ServeOptions<T>, 'group' | 'onError'>
> {
  readonly group: TaskGroup | undefined;
  readonly onError: ServeOptions<T>['onError'] | undefined;
}

const PEER_ERRORS = { raise: true, ignore: true };

/**
 * Checks the second argument of `serve`. Each option is read once.
 * @throws TypeError or RangeError
 */
export function checkServeOptions<T>(
  given: TaskGroup | ServeOptions<T> | undefined,
): CheckedServeOptions<T> {
  if (given !== undefined && (typeof given !== 'object' || (given as unknown) === null))
    throw invalidArgument('options', 'a task group or an object', given);
  const options: ServeOptions<T> =
    given === undefined || !isTaskGroup(given) ? (given ?? {}) : { group: given };
  const {
    group,
    maxConnections = Infinity,
    closeAfter = false,
    onPeerError = 'raise',
    onError,
  } = options;
  checkGroup('options.group', group);
  checkLimit('options.maxConnections', maxConnections);
  checkBoolean('options.closeAfter', closeAfter);
  checkChoice('options.onPeerError', onPeerError, PEER_ERRORS);
  if (onError !== undefined) checkFunction('options.onError', onError);
  return { group, maxConnections, closeAfter, onPeerError, onError };
}

/** @throws TypeError if `group` is neither undefined nor a task group */
export function checkGroup(name: string, group: unknown): asserts group is TaskGroup | undefined {
  if (group !== undefined && !isTaskGroup(group))
    throw invalidArgument(name, 'a task group', group);
}

/** @throws TypeError or RangeError if `limit` is neither a whole number from 1 nor Infinity */
export function checkLimit(name: string, limit: unknown): void {
  if (limit !== Infinity) checkInteger(name, limit, 1, Number.MAX_SAFE_INTEGER);
}

function isTaskGroup(value: unknown): value is TaskGroup {
  return typeof (value as Partial<TaskGroup> | null)?.startSoon === 'function';
}

import { NO_ERROR, remainder } from '../concurrency/cancellation';

/**
 * How a peer that goes away shows: in the kernel's errors, and as an end of stream where more was
 * expected (`EndOfStreamError`).
 */
const PEER_CODES: ReadonlySet<unknown> = new Set([
  'ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ERR_END_OF_STREAM',
]); // prettier-ignore

/**
 * Whether the peer, not this program, ended the connection: ECONNRESET, EPIPE, ECONNABORTED, an end
 * of stream where more was expected (`ERR_END_OF_STREAM`), and ETIMEDOUT if it is the kernel's own.
 * A TimeoutError of a scope has that code too, and is none. An AggregateError or a SuppressedError
 * is one if all of its parts are.
 *
 * @example
 * const error = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
 * console.log(isPeerError(error), isPeerError(new TimeoutError())); // → true false
 * console.log(isPeerError(new AggregateError([error, new Error('a defect')]))); // → false
 */
export function isPeerError(error: unknown): boolean {
  return remainder(error, isPeersOwn) === NO_ERROR;
}

function isPeersOwn(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, errno } = error as { readonly code?: unknown; readonly errno?: unknown };
  return PEER_CODES.has(code) || (code === 'ETIMEDOUT' && typeof errno === 'number');
}

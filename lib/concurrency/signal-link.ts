import { invalidArgument } from '../arguments/validate';

/** What an AbortSignal can end: a scope. */
export interface Abortable {
  /** The signal has aborted. Must not throw. */
  onAbort(reason: unknown): void;
}

const links = new WeakMap<AbortSignal, SignalLink>();

/**
 * All scopes that are linked to one signal, behind one listener: a thousand of them on a server's
 * shutdown signal are no leak, and Node does not warn of one. The listener goes when the last of
 * them does.
 */
export class SignalLink {
  readonly #signal: AbortSignal;
  readonly #members = new Set<Abortable>();

  private constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** The link of a signal that has not aborted yet. */
  static of(signal: AbortSignal): SignalLink {
    let link = links.get(signal);
    if (link === undefined) {
      link = new SignalLink(signal);
      links.set(signal, link);
    }
    return link;
  }

  add(member: Abortable): void {
    if (this.#members.size === 0) this.#signal.addEventListener('abort', this.#onAbort);
    this.#members.add(member);
  }

  delete(member: Abortable): void {
    if (this.#members.delete(member) && this.#members.size === 0)
      this.#signal.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => {
    this.#signal.removeEventListener('abort', this.#onAbort);
    const members = [...this.#members];
    this.#members.clear();
    const reason: unknown = this.#signal.reason;
    for (const member of members) member.onAbort(reason);
  };
}

/**
 * @throws TypeError for what is neither an AbortSignal nor undefined. One of another realm, or from
 *   a polyfill, will do.
 */
export function checkSignal(name: string, value: unknown): void {
  if (value === undefined) return;
  const isSignal =
    typeof value === 'object' &&
    value !== null &&
    'aborted' in value &&
    'addEventListener' in value;
  if (!isSignal) throw invalidArgument(name, 'an AbortSignal', value);
}

import { invalidArgument } from '../arguments/validate';

/** A scope that an AbortSignal can cancel. */
export interface Abortable {
  /** Called when the signal aborts. Must not throw. */
  onAbort(reason: unknown): void;
}

const links = new WeakMap<AbortSignal, SignalLink>();

/**
 * All scopes that are linked to one signal, behind one listener. A server may have thousands of
 * scopes on its shutdown signal: Node.js warns of a leak from eleven listeners on. The listener is
 * removed with the last scope.
 */
export class SignalLink {
  readonly #signal: AbortSignal;
  readonly #members = new Set<Abortable>();

  private constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** The one link of `signal`, which has not aborted yet. */
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
 * @throws TypeError unless `value` is an AbortSignal or undefined. A signal of another realm or of
 *   a polyfill is accepted.
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

import { warn } from '../waiting/warn';

/** How long a listener is silent after a warning. */
const SILENCE_MS = 60_000;

/**
 * The process warning of a listener that cannot accept. One a minute: a shortage that lasts, or
 * comes and goes with the load, would fill the log.
 */
export class AcceptWarning {
  #silentUntil = -Infinity;

  warn(message: string): void {
    const now = performance.now();
    if (now < this.#silentUntil) return;
    this.#silentUntil = now + SILENCE_MS;
    warn(message, { code: 'SOCKSCOPE_ACCEPT' });
  }
}

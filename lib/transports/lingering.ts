/**
 * The bounds of a graceful close. close(2) on a TCP connection with unread input resets the
 * connection, and so does input that arrives after close(2) (RFC 1122, 4.2.2.13): whatever the peer
 * has not received yet is lost. So a graceful close ends the stream (shutdown(2)), discards input,
 * and calls close(2) when the peer has ended its own stream, or when its kernel has received
 * everything and it has stopped sending. A peer that does neither is waited for within bounds.
 */

/**
 * How long one close waits at most. Several round trips of a slow path, and one retransmission
 * after a second, fit in; a peer that holds its connection does not keep a task for long.
 */
const LONGEST_MS = 2000;
/**
 * How long a peer has to be silent, once it was seen sending, to count as having stopped. Longer
 * than the 200 ms after which Linux first repeats a lost segment.
 */
export const QUIET_MS = 250;
/**
 * How much input one close discards at most. Linux keeps up to 6 MiB unread for a connection
 * (net.ipv4.tcp_rmem): that much may be unread, and as much again on its way.
 */
const MOST_BYTES = 16 * 1024 * 1024;

/** No event announces that the peer's kernel has received everything: it is asked so often. */
const FIRST_CHECK_MS = 1;
const LONGEST_CHECK_MS = 64;

/** A graceful close that waits, and how long it goes on. */
export class Lingering {
  readonly #check: () => void;
  readonly #deadline: number;
  #quietAt: number;
  #bytesLeft = MOST_BYTES;
  #delay = FIRST_CHECK_MS;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param check called by a timer, when it is time to look again
   * @param quietMs how long the peer has to be silent if it sends nothing from now on
   */
  constructor(check: () => void, quietMs: number) {
    const now = performance.now();
    this.#check = check;
    this.#deadline = now + LONGEST_MS;
    this.#quietAt = now + quietMs;
  }

  /** Input was discarded: the peer still sends. */
  discarded(count: number): void {
    this.#bytesLeft -= count;
    this.#quietAt = performance.now() + QUIET_MS;
  }

  /** A bound is reached: nothing is waited for any more. */
  get isExhausted(): boolean {
    return this.#bytesLeft <= 0 || performance.now() >= this.#deadline;
  }

  get isQuiet(): boolean {
    return performance.now() >= this.#quietAt;
  }

  /** Calls `check` when the peer may be quiet, or soon if it has not received everything yet. */
  wait(hasReceived: boolean): void {
    const now = performance.now();
    let delay = this.#quietAt - now;
    if (!hasReceived) {
      delay = Math.max(delay, this.#delay);
      this.#delay = Math.min(this.#delay * 2, LONGEST_CHECK_MS);
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#check, Math.ceil(Math.min(delay, this.#deadline - now)));
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

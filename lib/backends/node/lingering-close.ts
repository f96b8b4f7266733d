import type { Socket } from 'node:net';
import { Lingering, QUIET_MS } from '../../transports/lingering';
import { outsideOfTasks } from '../../waiting/context';

/**
 * As many turns of the event loop after the socket was resumed, whatever the kernel had unread has
 * come as 'data'.
 */
const TURNS = 3;

/**
 * A graceful close of a net.Socket that has sent something: discards input, until closing loses
 * nothing. node:net does not tell what the peer's kernel has received. So that counts as received
 * which was sent some time ago (QUIET_MS).
 */
export class LingeringClose {
  readonly #lingering: Lingering;
  readonly #onEnd: () => void;
  #turns = TURNS;
  #hasEnded = false;

  /**
   * @param sentAt when the last send was begun, by `performance.now()`
   * @param onEnd called once, when the socket is to be closed, unless `stop` was called before
   */
  constructor(socket: Socket, sentAt: number, onEnd: () => void) {
    this.#onEnd = onEnd;
    // What was sent on a Unix socket is in the receiver's queue already, and stays there.
    const age = socket.remoteAddress === undefined ? QUIET_MS : performance.now() - sentAt;
    this.#lingering = new Lingering(() => {
      this.#check();
    }, QUIET_MS - age);
    socket.resume();
    outsideOfTasks(() => setImmediate(this.#nextTurn));
  }

  /** Input has arrived, and is discarded. */
  discarded(count: number): void {
    this.#lingering.discarded(count);
    if (this.#lingering.isExhausted) this.#end();
  }

  /** The socket is closed. */
  stop(): void {
    this.#hasEnded = true;
    this.#lingering.stop();
  }

  readonly #nextTurn = (): void => {
    this.#turns--;
    if (this.#turns > 0) setImmediate(this.#nextTurn);
    else this.#check();
  };

  #check(): void {
    if (this.#hasEnded) return;
    if (this.#lingering.isExhausted || this.#lingering.isQuiet) this.#end();
    else
      outsideOfTasks(() => {
        this.#lingering.wait(true);
      });
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.stop();
    this.#onEnd();
  }
}

import { type NativeBinding, nativeBinding } from '../binding';
import { outsideOfTasks } from '../waiting/context';
import { renew } from '../waiting/turn-budget';
import type { Descriptor } from './descriptor';

/**
 * How sockets wait: the TypeScript half of the reactor. (native/reactor.h and its neighbours are
 * the half that talks to epoll and libuv.)
 *
 * **Try first.** A receive or send makes its system call at once if its descriptor has readiness.
 * Only a call that would block becomes an operation that waits. On a busy connection a message
 * costs one system call and one settled promise, and no round through the event loop.
 *
 * **Readiness is a hint**, one per direction, kept in the Descriptor. A new descriptor has it, and
 * an event restores it. It ends when a call has shown that the kernel has nothing left now: by
 * EAGAIN, or by a short receive. A short receive drains a TCP socket, and saves the call that would
 * return EAGAIN. On a Unix socket a receive also stops before bytes that carry fds or other
 * credentials (unix(7)), so there only EAGAIN is proof. Readiness without data costs one call that
 * returns EAGAIN. Data without readiness would be waited for without end. So nothing but a result
 * of the kernel ends readiness: Descriptor has no method that ends it at a caller's word.
 *
 * **Edges.** With epoll, a descriptor is registered once, at its first wait, for both directions
 * and edge-triggered, until it is closed: a wait costs no epoll_ctl(2). The kernel reports an edge
 * once, also while no operation waits. The descriptor remembers the edge as its readiness.
 * EXCEPTIONAL (an error, a hang-up, urgent data) is a state for which no second edge comes. It
 * makes both directions ready, and from then on a short receive no longer ends readiness.
 *
 * **One entry per batch.** The native half fills one Int32Array with (slot, generation, events),
 * and enters JavaScript once per batch. The slot is the descriptor's index in a table. The
 * generation tells successive owners of a slot apart: the events of a descriptor that was closed
 * meanwhile may still be in the batch when its slot, like its fd number, has a new owner. These
 * events are dropped. Within a batch, operations make their calls and settle their promises. Tasks
 * go on after the batch, when the promise callbacks run.
 *
 * **Fairness.** Calls that complete at once would never return to the event loop. The turn budget
 * (waiting/turn-budget.ts) bounds them, and each batch renews it.
 *
 * **Without epoll** (`reactorKind()` is 'poll': on other systems, and with SOCKSCOPE_REACTOR=poll)
 * the native half has one libuv poll handle per fd, which reports one event and then stops. So
 * `arm` asks anew before each wait, for the directions that have a waiting operation. A state that
 * no call ends would be reported in every turn, so after two events without effect the native half
 * delays a watch, and `resumeDelayed` goes on. All else is the same.
 *
 * A waiting operation keeps the event loop alive (`ref`, `unref`); an open socket alone does not.
 */

/** Bits of an event, as the binding delivers them. */
export const READABLE = 1;
export const WRITABLE = 2;
export const EXCEPTIONAL = 4;
/** Goes with the directions that `arm` asks for. */
const AGAIN = 8;
/** How long a watch is delayed that brought events without effect. */
const DELAY_MS = 20;

/** The table of registered descriptors, and the walk over a batch. One per environment. */
export class Reactor {
  readonly native: NativeBinding;
  /** An event must be asked for before each wait. False with epoll. */
  readonly #oneShot: boolean;
  readonly #events: Int32Array;
  readonly #registered: (Descriptor | undefined)[] = [];
  readonly #generations: number[] = [];
  readonly #freeSlots: number[] = [];
  #waiting = 0;
  #open = false;
  #isDelayed = false;

  constructor(native: NativeBinding) {
    this.native = native;
    this.#oneShot = native.reactorKind() === 'poll';
    this.#events = new Int32Array(3 * native.limits.batch);
  }

  /** Registers a descriptor, at its first wait. Returns 0 or a negative code. */
  register(descriptor: Descriptor): number {
    if (!this.#open) {
      const status = outsideOfTasks(() =>
        this.native.reactorOpen(this.#events, (count) => {
          this.#deliver(count);
        }),
      );
      if (status < 0) return status;
      this.#open = true;
      // The operation that registers the descriptor was counted before the reactor was open.
      this.native.hold(this.#waiting > 0);
    }
    const slot = this.#freeSlots.pop() ?? this.#registered.length;
    const generation = ((this.#generations[slot] ?? 0) + 1) & 0x3fffffff;
    this.#generations[slot] = generation;
    const status = this.native.watch(descriptor.fd, slot, generation);
    if (status < 0) {
      this.#freeSlots.push(slot);
      return status;
    }
    this.#registered[slot] = descriptor;
    descriptor.slot = slot;
    return 0;
  }

  /** Before a descriptor is closed or detached. The binding ends its own part when the fd goes. */
  deregister(descriptor: Descriptor): void {
    this.#registered[descriptor.slot] = undefined;
    this.#freeSlots.push(descriptor.slot);
    descriptor.slot = -1;
  }

  /**
   * Asks for the next event, where events must be asked for. Returns 0 or a negative code.
   * @param again after the last event, the operation's call would block: an event that led to
   *   nothing, again and again, comes from a state that stays, and is slowed down
   */
  arm(descriptor: Descriptor, again = false): number {
    if (!this.#oneShot) return 0;
    const events =
      (descriptor.reader === null ? 0 : READABLE) |
      (descriptor.writer === null ? 0 : WRITABLE) |
      (again ? AGAIN : 0);
    const status = this.native.arm(descriptor.fd, events);
    if (status > 0) this.#resumeLater();
    return status;
  }

  #resumeLater(): void {
    if (this.#isDelayed) return;
    this.#isDelayed = true;
    const timer = outsideOfTasks(() =>
      setTimeout(() => {
        this.#isDelayed = false;
        if (this.native.resumeDelayed() > 0) this.#resumeLater();
      }, DELAY_MS),
    );
    // What waits keeps the event loop alive by `ref`.
    timer.unref();
  }

  /** An operation begins to wait: the event loop stays alive for it. */
  ref(): void {
    if (this.#waiting++ === 0) this.native.hold(true);
  }

  /** An operation waits no more. */
  unref(): void {
    if (--this.#waiting === 0) this.native.hold(false);
  }

  /** Called from the event loop, once per batch. */
  #deliver(count: number): void {
    renew();
    const events = this.#events;
    for (let i = 0; i < count * 3; i += 3) {
      const slot = events[i] as number;
      if (this.#generations[slot] !== events[i + 1]) continue;
      this.#registered[slot]?.notify(events[i + 2] as number);
    }
  }
}

let instance: Reactor | undefined;

/**
 * The reactor of this environment. @throws Error `ERR_NATIVE_UNAVAILABLE` if no binary loads on
 * this platform.
 */
export function reactor(): Reactor {
  instance ??= new Reactor(nativeBinding());
  return instance;
}

import { type NativeBinding, nativeBinding } from '../binding';
import { outsideOfTasks } from '../waiting/context';
import { renew } from '../waiting/turn-budget';
import type { Descriptor } from './descriptor';

/** Bits of an event, as the binding delivers them. */
export const READABLE = 1;
export const WRITABLE = 2;
/** Error, hang-up, urgent data: a state that stays, and after which a short read proves nothing. */
export const EXCEPTIONAL = 4;

/**
 * The TypeScript half of the reactor: the table of watched descriptors, the walk over a batch of
 * events, and the budget that keeps it fair. One per environment (main thread or worker).
 */
export class Reactor {
  readonly native: NativeBinding;
  /**
   * Whether events must be asked for again after each wait. False with epoll, which reports edges.
   */
  readonly #oneShot: boolean;
  readonly #events: Int32Array;
  readonly #watched: (Descriptor | undefined)[] = [];
  readonly #generations: number[] = [];
  readonly #freeSlots: number[] = [];
  #waiting = 0;
  #open = false;

  constructor(native: NativeBinding) {
    this.native = native;
    this.#oneShot = native.reactorKind() === 'poll';
    this.#events = new Int32Array(3 * native.limits.batch);
  }

  /**
   * Begins to watch a descriptor, at its first wait. Edge-triggered, in both directions, until it
   * is closed: no further system call per wait.
   */
  watch(descriptor: Descriptor): number {
    if (!this.#open) {
      const status = outsideOfTasks(() =>
        this.native.reactorOpen(this.#events, (count) => {
          this.#deliver(count);
        }),
      );
      if (status < 0) return status;
      this.#open = true;
      // The operation that brought us here waits already.
      this.native.hold(this.#waiting > 0);
    }
    const slot = this.#freeSlots.pop() ?? this.#watched.length;
    const generation = ((this.#generations[slot] ?? 0) + 1) & 0x3fffffff;
    this.#generations[slot] = generation;
    const status = this.native.watch(descriptor.fd, slot, generation);
    if (status < 0) {
      this.#freeSlots.push(slot);
      return status;
    }
    this.#watched[slot] = descriptor;
    descriptor.slot = slot;
    return 0;
  }

  /**
   * Forgets a descriptor that is about to be closed or released (the binding stops watching by
   * itself then).
   */
  forget(descriptor: Descriptor): void {
    this.#watched[descriptor.slot] = undefined;
    this.#freeSlots.push(descriptor.slot);
    descriptor.slot = -1;
  }

  /** Asks for the next event, where the mechanism wants to be asked. */
  arm(descriptor: Descriptor): number {
    if (!this.#oneShot) return 0;
    const events =
      (descriptor.reader === null ? 0 : READABLE) | (descriptor.writer === null ? 0 : WRITABLE);
    return this.native.arm(descriptor.fd, events);
  }

  /** An operation waits: the process stays alive for it. */
  retain(): void {
    if (this.#waiting++ === 0) this.native.hold(true);
  }

  release(): void {
    if (--this.#waiting === 0) this.native.hold(false);
  }

  /**
   * Called from the event loop, once per batch. Operations settle here, and nothing else happens:
   * no user code runs before the end.
   */
  #deliver(count: number): void {
    renew();
    const events = this.#events;
    for (let i = 0; i < count * 3; i += 3) {
      const slot = events[i] as number;
      // A closed descriptor's slot may have a new owner already: the event is the old one's.
      if (this.#generations[slot] !== events[i + 1]) continue;
      this.#watched[slot]?.notify(events[i + 2] as number);
    }
  }
}

let instance: Reactor | undefined;

/**
 * This environment's reactor. @throws Error `ERR_NATIVE_UNAVAILABLE` if no binary loads on this
 * platform.
 */
export function reactor(): Reactor {
  instance ??= new Reactor(nativeBinding());
  return instance;
}

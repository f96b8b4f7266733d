import { inspect, type InspectOptions } from 'node:util';
import type { IEvent } from '../contract/locks';
import { currentScope } from '../waiting/context';
import { cancelled, isCancelled, resolved } from '../waiting/operation';
import { QueuedOperation, WaitQueue } from './wait-queue';

class EventWaiter extends QueuedOperation<void> {
  describe(): string {
    return 'wait for an event';
  }
}

/** The event of `createEvent`. */
export class Event implements IEvent {
  #isSet = false;
  readonly #waiters = new WaitQueue<void>();

  wait(): Promise<void> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    if (this.#isSet) return resolved(undefined);
    const waiter = new EventWaiter().enter(scope);
    this.#waiters.push(waiter);
    return waiter.promise;
  }

  set(): void {
    this.#isSet = true;
    for (let waiter = this.#waiters.shift(); waiter !== null; waiter = this.#waiters.shift())
      waiter.settleInTurn();
  }

  isSet(): boolean {
    return this.#isSet;
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    return `Event ${inspect({ isSet: this.#isSet, waiters: this.#waiters.size }, options)}`;
  }
}

import { Operation } from '../waiting/operation';

/** A checkpoint that waits in a queue. A cancellation only removes it from the queue. */
export abstract class QueuedOperation<T> extends Operation<T> {
  // The queue owns these three fields.
  queue: WaitQueue<T> | null = null;
  before: QueuedOperation<T> | null = null;
  after: QueuedOperation<T> | null = null;

  protected withdraw(): void {
    this.queue?.remove(this);
  }
}

/** A queue, first in, first out. Removing from the middle takes no search. */
export class WaitQueue<T, W extends QueuedOperation<T> = QueuedOperation<T>> {
  // `push` takes nothing but W.
  #first: QueuedOperation<T> | null = null;
  #last: QueuedOperation<T> | null = null;

  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(waiter: W): void {
    const last = this.#last;
    waiter.queue = this;
    waiter.before = last;
    if (last === null) this.#first = waiter;
    else last.after = waiter;
    this.#last = waiter;
    this.#size++;
  }

  shift(): W | null {
    const first = this.#first as W | null;
    if (first !== null) this.remove(first);
    return first;
  }

  remove(waiter: QueuedOperation<T>): void {
    const { before, after } = waiter;
    if (before === null) this.#first = after;
    else before.after = after;
    if (after === null) this.#last = before;
    else after.before = before;
    this.#size--;
    waiter.queue = null;
    waiter.before = null;
    waiter.after = null;
  }
}

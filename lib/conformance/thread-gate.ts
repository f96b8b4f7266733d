import assert from 'node:assert/strict';

/**
 * Memory in which calls of `passGate` in other threads count themselves in, and wait until it
 * opens.
 */
export class ThreadGate {
  /** The argument of `passGate`. */
  readonly shared = new SharedArrayBuffer(8);
  readonly #cells = new Int32Array(this.shared);

  /** How many calls have begun. */
  get count(): number {
    return Atomics.load(this.#cells, 0);
  }

  /** Waits until `count` calls have begun, for at least ten seconds: threads start slowly. */
  async reached(count: number): Promise<void> {
    for (let i = 0; this.count < count; i++) {
      assert.ok(i < 10_000, `only ${this.count} of ${count} threads have begun`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  open(): void {
    Atomics.store(this.#cells, 1, 1);
    Atomics.notify(this.#cells, 1);
  }
}
